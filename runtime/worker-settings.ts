/** What a worker reads from its environment: an autoscaler passes on exactly these settings. */
import { FUNCTION_CAP_SETTINGS } from "../core/config/function-caps.ts";
import type { SettingName } from "../core/config/settings.ts";
import { SHARED_SETTINGS } from "../core/connections.ts";

export const WORKER_SETTINGS = [
  ...SHARED_SETTINGS,
  "EGRESS_ALLOW",
  "EGRESS_DENY",
  "EMAIL_URL",
  "EMAIL_FROM",
  "EMAIL_CAPTURE",
  "BELLHOP_SECRETS_KEY",
  "BELLHOP_PUBLIC_URL",
  "WORKER_ADDRESS",
  "WORKER_RECEIVE",
  "WORKER_EVENTS_WINDOW",
  "WORKER_SLOTS",
  "WORKER_WARM_MEMORY_MB",
  "WORKER_LEASE",
  "WORKER_DRAIN",
  "WORKER_SANDBOX_WALLS",
  "FUNCTION_MAX_KV_KEYS",
  "FUNCTION_MAX_KV_BYTES",
  ...FUNCTION_CAP_SETTINGS,
] as const satisfies SettingName[];

/** What its process needs of its surroundings besides. */
export const WORKER_SURROUNDINGS = [
  "PATH",
  "TMPDIR",
  "TZ",
  "NODE_COMPILE_CACHE",
  "NODE_EXTRA_CA_CERTS",
  "TERM",
  "NO_COLOR",
];
