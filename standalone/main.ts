/** Everything on this machine with one command: an embedded PostgreSQL, the API, the scheduler, and workers while there is work. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startApi } from "../api/main.ts";
import { FUNCTION_CAP_SETTINGS } from "../core/config/function-caps.ts";
import { readSettings, type SettingName, type Settings } from "../core/config/settings.ts";
import { type Role, type RoleProgram, runRole } from "../core/role.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { TRACE_SETTINGS } from "../core/telemetry/open-tracer.ts";
import { startAutoscaler } from "../runtime/autoscaler/main.ts";
import { WORKER_SURROUNDINGS } from "../runtime/worker-settings.ts";
import { startScheduler } from "../scheduler/main.ts";
import { readAdminKey } from "./admin-key.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { describeStart } from "./greeting.ts";
import { readSecretsKey } from "./secrets-key.ts";

const SETTINGS = [
  "PORT",
  "HOST",
  "BELLHOP_DATA_DIR",
  "BELLHOP_API_KEY",
  "BELLHOP_SECRETS_KEY",
  "BELLHOP_RETENTION_DAYS",
  "LOG_LEVEL",
  "EGRESS_ALLOW",
  "EMAIL_URL",
  "EMAIL_FROM",
  "WORKER_SLOTS",
  "WORKER_LEASE",
  "WORKER_DRAIN",
  "WORKER_SANDBOX_WALLS",
  "WORKERS_MIN",
  "WORKERS_MAX",
  "WORKERS_IDLE_AFTER",
  "WORKERS_AHEAD",
  "FUNCTION_MAX_KV_KEYS",
  "FUNCTION_MAX_KV_BYTES",
  ...FUNCTION_CAP_SETTINGS,
  ...TRACE_SETTINGS,
] as const satisfies SettingName[];
const LOOPBACK = "127.0.0.0/8,::1/128";
const DEFAULTS = { HOST: "127.0.0.1", LOG_LEVEL: "warn", EGRESS_ALLOW: LOOPBACK };
/** Without a database the roles cannot drain: they are given this long to try. */
const DEAD_DATABASE_GRACE_MS = 10_000;
type StandaloneSettings = Pick<Settings, (typeof SETTINGS)[number]>;
const ROOT = fileURLToPath(new URL("..", import.meta.url));

export async function startStandalone(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Role> {
  const settings = readSettings(SETTINGS, env, DEFAULTS);
  const log = createLogger("standalone", settings.LOG_LEVEL);
  const dataDir = resolve(ROOT, settings.BELLHOP_DATA_DIR);
  await mkdir(dataDir, { recursive: true });
  await using opened = new AsyncDisposableStack();
  process.stdout.write(`Starting PostgreSQL in ${dataDir} …\n`);
  const postgres = await startEmbeddedPostgres({
    dataDir,
    onLog: (line) => process.stdout.write(`${line}\n`),
  });
  opened.defer(() => postgres.stop());
  const key = await readAdminKey(dataDir, settings.BELLHOP_API_KEY);
  const secretsKey = await readSecretsKey(dataDir, env["BELLHOP_SECRETS_KEY"]?.trim() || undefined);
  const roleEnv = chooseRoleEnv(env, settings, { databaseUrl: postgres.url, secretsKey });

  const scheduler = await startScheduler(roleEnv.scheduler, signal);
  opened.defer(() => scheduler.stop());
  const autoscaler = await startAutoscaler(roleEnv.autoscaler, signal);
  opened.defer(() => autoscaler.stop());
  const api = await startApi({ ...roleEnv.api, BELLHOP_API_KEY: key }, signal);
  opened.defer(() => api.stop());

  const host = settings.HOST.includes(":") ? `[${settings.HOST}]` : settings.HOST;
  const address = `http://${host}:${api.port}`;
  const facts = {
    address,
    key,
    dataDir,
    egressAllow: settings.EGRESS_ALLOW,
    hasEmail: settings.EMAIL_URL !== undefined,
    minWorkers: settings.WORKERS_MIN,
    maxWorkers: settings.WORKERS_MAX,
  };
  process.stdout.write(describeStart(facts));
  const held = opened.move();
  const stopWatching = watchDatabase(postgres.exited, held, (message) => log.error(message));
  return {
    port: api.port,
    async stop() {
      stopWatching();
      process.stdout.write("Draining; the database stops last. A second Ctrl-C ends at once.\n");
      await held.disposeAsync();
      process.stdout.write("Stopped. Everything is kept; npm start picks up where this was.\n");
    },
    abandon() {
      autoscaler.abandon?.();
      // Immediate: PostgreSQL recovers from its log at the next start.
      process.kill(postgres.pid, "SIGQUIT");
    },
  };
}

/** What each role sees: its own settings and no more. Only the API listens where the user said. */
function chooseRoleEnv(
  env: NodeJS.ProcessEnv,
  settings: StandaloneSettings,
  { databaseUrl, secretsKey }: { databaseUrl: string; secretsKey: string },
) {
  // As they were given: settings among them were read, and so found sound, with the others.
  const given = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, env[name]]));
  const shared: NodeJS.ProcessEnv = {
    DATABASE_URL: databaseUrl,
    LOG_LEVEL: settings.LOG_LEVEL,
    HOST: "127.0.0.1",
    PORT: "0",
    ...given(TRACE_SETTINGS),
  };
  const lease = { WORKER_LEASE: `${settings.WORKER_LEASE}ms` };
  const ahead = { WORKERS_AHEAD: `${settings.WORKERS_AHEAD}ms` };
  return {
    api: {
      ...shared,
      ...given(FUNCTION_CAP_SETTINGS),
      BELLHOP_SECRETS_KEY: secretsKey,
      HOST: settings.HOST,
      PORT: String(settings.PORT),
    },
    scheduler: {
      ...shared,
      ...lease,
      ...ahead,
      BELLHOP_RETENTION_DAYS: String(settings.BELLHOP_RETENTION_DAYS),
    },
    /** Its own settings, and those it hands on to its workers. */
    autoscaler: {
      ...shared,
      ...lease,
      ...ahead,
      ...given(FUNCTION_CAP_SETTINGS),
      ...given(WORKER_SURROUNDINGS),
      WORKERS_MIN: String(settings.WORKERS_MIN),
      WORKERS_MAX: String(settings.WORKERS_MAX),
      WORKERS_IDLE_AFTER: `${settings.WORKERS_IDLE_AFTER}ms`,
      BELLHOP_SECRETS_KEY: secretsKey,
      EGRESS_ALLOW: settings.EGRESS_ALLOW,
      WORKER_SLOTS: String(settings.WORKER_SLOTS),
      WORKER_DRAIN: `${settings.WORKER_DRAIN}ms`,
      WORKER_SANDBOX_WALLS: settings.WORKER_SANDBOX_WALLS,
      FUNCTION_MAX_KV_KEYS: String(settings.FUNCTION_MAX_KV_KEYS),
      FUNCTION_MAX_KV_BYTES: String(settings.FUNCTION_MAX_KV_BYTES),
      ...(settings.EMAIL_URL === undefined ? {} : { EMAIL_URL: settings.EMAIL_URL }),
      ...(settings.EMAIL_FROM === undefined ? {} : { EMAIL_FROM: settings.EMAIL_FROM }),
    },
  };
}

/** Without its database nothing works: says so and ends, instead of limping on. */
function watchDatabase(
  exited: Promise<unknown>,
  opened: AsyncDisposableStack,
  report: (message: string) => void,
): () => void {
  let watching = true;
  void exited.then(() => {
    if (!watching) return;
    report("PostgreSQL ended unexpectedly; its log stands in the data folder.");
    setTimeout(() => process.exit(1), DEAD_DATABASE_GRACE_MS).unref();
    void opened.disposeAsync().finally(() => process.exit(1));
  });
  return () => {
    watching = false;
  };
}

export const standaloneProgram: RoleProgram = {
  command: "npm start",
  purpose: "PostgreSQL, API, scheduler and, while there is work, workers on this machine",
  settings: SETTINGS,
  defaults: DEFAULTS,
  start: startStandalone,
};

if (import.meta.main) await runRole(standaloneProgram);
