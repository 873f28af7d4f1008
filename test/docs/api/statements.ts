/** Every statement, chapter by chapter. */
import { ACTIVITY } from "./activity.ts";
import { BULK } from "./bulk.ts";
import { CALLBACK_STATEMENTS } from "./callbacks.ts";
import { CALLS } from "./calls.ts";
import { COMPLETIONS } from "./completions.ts";
import { CONSOLE } from "./console.ts";
import { EMAILS } from "./emails.ts";
import { EVENT_STATEMENTS } from "./events.ts";
import { FUNCTION_LIMITS } from "./function-limits.ts";
import { FUNCTIONS } from "./functions.ts";
import { JOINING } from "./joining.ts";
import { KEYS } from "./keys.ts";
import { LIMITS } from "./limits.ts";
import { MCP } from "./mcp.ts";
import { QUEUES } from "./queues.ts";
import { REPLAYS } from "./replays.ts";
import { REQUESTS } from "./requests.ts";
import { RETRIES } from "./retries.ts";
import { ROUTE_STATEMENTS } from "./routes.ts";
import { RUNS } from "./runs.ts";
import { SCHEDULES } from "./schedules.ts";
import { SIGNING_STATEMENTS } from "./signing.ts";
import type { Statement } from "./statement.ts";
import { TASK_SECRETS } from "./task-secrets.ts";
import { TASKS } from "./tasks.ts";

export const STATEMENTS: Statement[] = [
  ...REQUESTS,
  ...CONSOLE,
  ...MCP,
  ...KEYS,
  ...ROUTE_STATEMENTS,
  ...TASKS,
  ...TASK_SECRETS,
  ...COMPLETIONS,
  ...SCHEDULES,
  ...RETRIES,
  ...RUNS,
  ...ACTIVITY,
  ...QUEUES,
  ...REPLAYS,
  ...BULK,
  ...EVENT_STATEMENTS,
  ...FUNCTIONS,
  ...FUNCTION_LIMITS,
  ...CALLS,
  ...JOINING,
  ...CALLBACK_STATEMENTS,
  ...SIGNING_STATEMENTS,
  ...EMAILS,
  ...LIMITS,
];
