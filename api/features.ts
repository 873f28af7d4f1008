/** All that the API serves and describes, feature by feature. */
import { activityFeature } from "./activity/routes.ts";
import { auditFeature } from "./audit/routes.ts";
import { bulkFeature } from "./bulk/routes.ts";
import { calendarFeature } from "./calendars/routes.ts";
import { callFeature } from "./calls/routes.ts";
import { clockFeature } from "./clock/routes.ts";
import { completionFeature } from "./completions/routes.ts";
import { consoleFeature } from "./console/routes.ts";
import { deadLetterFeature } from "./dead-letters/routes.ts";
import { enqueueFeature } from "./enqueue/routes.ts";
import { errorFeature } from "./errors/routes.ts";
import { eventFeature } from "./events/routes.ts";
import { exportFeature } from "./export/routes.ts";
import { functionFeature } from "./functions/routes.ts";
import { hookFeature } from "./hooks/routes.ts";
import type { Feature, RouteSettings } from "./http/route.ts";
import { keyFeature } from "./keys/routes.ts";
import { logFeature } from "./logs/routes.ts";
import { mailboxFeature } from "./mailbox/routes.ts";
import { mcpFeature } from "./mcp/routes.ts";
import { namespaceFeature } from "./namespaces/routes.ts";
import { documentFeature } from "./openapi/routes.ts";
import { probeFeature } from "./probes/routes.ts";
import { queueFeature } from "./queues/routes.ts";
import { runFeature } from "./runs/routes.ts";
import { scheduleFeature } from "./schedules/routes.ts";
import { secretFeature } from "./secrets/routes.ts";
import { settingsFeature } from "./settings/routes.ts";
import { signingFeature } from "./signing/routes.ts";
import { taskFeature } from "./tasks/routes.ts";
import { workerFeature } from "./workers/routes.ts";

export function apiFeatures(settings: RouteSettings): Feature[] {
  const features: Feature[] = [
    taskFeature(settings),
    scheduleFeature(settings),
    calendarFeature,
    clockFeature,
    runFeature,
    activityFeature,
    enqueueFeature,
    queueFeature,
    deadLetterFeature,
    bulkFeature,
    eventFeature,
    errorFeature,
    functionFeature(settings),
    callFeature,
    logFeature(settings),
    hookFeature,
    completionFeature,
    secretFeature,
    settingsFeature,
    exportFeature,
    signingFeature,
    namespaceFeature,
    keyFeature,
    auditFeature,
    mailboxFeature,
    workerFeature,
    consoleFeature(),
    mcpFeature(() => features),
    probeFeature,
    documentFeature(() => features, settings.publicUrl),
  ];
  return features;
}
