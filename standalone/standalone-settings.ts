/** The settings of `npm start`: those of its roles, but for what it decides itself; and what each role sees of them. */
import { API_SETTINGS } from "../api/main.ts";
import { SETTING_NAMES, type SettingName } from "../core/config/settings.ts";
import { BellhopError } from "../core/errors.ts";
import { AUTOSCALER_SETTINGS } from "../runtime/autoscaler/main.ts";
import { WORKER_SURROUNDINGS } from "../runtime/worker-settings.ts";
import { SCHEDULER_SETTINGS } from "../scheduler/main.ts";

const OWN = ["BELLHOP_DATA_DIR"] as const satisfies SettingName[];
const OF_ROLES = [...API_SETTINGS, ...SCHEDULER_SETTINGS, ...AUTOSCALER_SETTINGS] as const;

const DATABASE = "npm start runs a PostgreSQL of its own, in BELLHOP_DATA_DIR";
const QUEUE = "the queue of npm start is its PostgreSQL, without Kafka";

/** What is decided here and cannot be set, and why. A setting that no role here reads has to be named as well. */
const DECIDED = {
  DATABASE_URL: DATABASE,
  DATABASE_DIRECT_URL: DATABASE,
  KAFKA_BROKERS: QUEUE,
  KAFKA_TOPIC_PREFIX: QUEUE,
  KAFKA_PARTITIONS: QUEUE,
  WORKER_RECEIVE: QUEUE,
  WORKER_EVENTS_WINDOW: QUEUE,
  WORKER_ADDRESS: "npm start chooses the ports of its workers, on this machine alone",
  EMAIL_CAPTURE: "npm start captures e-mails, to be read at GET /v1/mailbox, where EMAIL_URL is not set",
  WORKERS_POD_DELETION_COST: "npm start runs its workers as processes of this machine, not in pods",
} as const satisfies Partial<Record<SettingName, string>> &
  Record<Exclude<SettingName, (typeof OWN | typeof OF_ROLES)[number]>, string>;

type Decided = keyof typeof DECIDED;
export type StandaloneSetting = Exclude<(typeof OWN | typeof OF_ROLES)[number], Decided>;

const isDecided = (name: SettingName): name is Decided => Object.hasOwn(DECIDED, name);

export const STANDALONE_SETTINGS = [...new Set([...OWN, ...OF_ROLES])].filter(
  (name): name is StandaloneSetting => !isDecided(name),
);

const LOOPBACK = "127.0.0.0/8,::1/128";
export const STANDALONE_DEFAULTS = {
  HOST: "127.0.0.1",
  LOG_LEVEL: "warn",
  LOG_FAILED_RUNS: "text",
  EGRESS_ALLOW: LOOPBACK,
} as const satisfies Partial<Record<StandaloneSetting, string>>;

/** Throws `invalid_setting` where something is set that would have no effect. */
export function refuseDecided(env: NodeJS.ProcessEnv): void {
  for (const name of SETTING_NAMES) {
    if (!isDecided(name) || !env[name]?.trim()) continue;
    throw new BellhopError(
      "invalid_setting",
      500,
      `${name} has no effect here: ${DECIDED[name]}. Leave it out, or start the roles by themselves, each of which reads its own settings: npm run api, npm run scheduler, npm run worker.`,
    );
  }
}

export interface Made {
  databaseUrl: string;
  apiKey: string;
  secretsKey: string;
}

/** What each role sees: its own settings and no more. Only the API listens where the user said. */
export function chooseRoleEnv(
  env: NodeJS.ProcessEnv,
  made: Made,
): Record<"api" | "scheduler" | "autoscaler", NodeJS.ProcessEnv> {
  const defaults: Partial<Record<SettingName, string>> = STANDALONE_DEFAULTS;
  // As they were given: they were read, and so found sound, with the others.
  const given = (names: readonly SettingName[]): NodeJS.ProcessEnv =>
    Object.fromEntries(
      names.filter((name) => !isDecided(name)).map((name) => [name, env[name] ?? defaults[name]]),
    );
  const database = { DATABASE_URL: made.databaseUrl };
  const sends = Boolean(env["EMAIL_URL"]?.trim());
  const capture = { EMAIL_CAPTURE: String(!sends) };
  // The API does not hear of a provider: what it is not told of here, nobody has.
  const sender = { EMAIL_FROM: env["EMAIL_FROM"] ?? "" };
  const inside = { ...database, HOST: "127.0.0.1", PORT: "0" };
  const keys = { BELLHOP_SECRETS_KEY: made.secretsKey };
  return {
    api: {
      ...given(API_SETTINGS),
      ...{ ...database, ...keys, ...capture, ...sender },
      BELLHOP_API_KEY: made.apiKey,
    },
    scheduler: { ...given(SCHEDULER_SETTINGS), ...inside },
    /** Its own settings, and those it hands on to its workers. */
    autoscaler: {
      ...Object.fromEntries(WORKER_SURROUNDINGS.map((name) => [name, env[name]])),
      ...given(AUTOSCALER_SETTINGS),
      ...{ ...inside, ...keys, ...capture },
    },
  };
}
