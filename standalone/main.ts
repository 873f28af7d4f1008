/** Everything on this machine with one command: an embedded PostgreSQL, the API, the scheduler, and workers while there is work. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startApi } from "../api/main.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings } from "../core/config/settings.ts";
import { demandFreePort } from "../core/front-door.ts";
import { signalProcess } from "../core/processes/signal.ts";
import { type Role, type RoleProgram, runRole } from "../core/role.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { createSignInCode } from "../core/store/sign-in-codes.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { startAutoscaler } from "../runtime/autoscaler/main.ts";
import { startScheduler } from "../scheduler/main.ts";
import { readAdminKeys } from "./admin-key.ts";
import { withStore } from "./brief-store.ts";
import { chooseTime } from "./choose-time.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { describeStart } from "./greeting.ts";
import { chooseSecretsKey } from "./secrets-key.ts";
import {
  chooseRoleEnv,
  refuseDecided,
  STANDALONE_DEFAULTS,
  STANDALONE_SETTINGS,
} from "./standalone-settings.ts";
import { refuseFilledFolder, removeFolder, removeLeftFolders } from "./temporary-folder.ts";

/** Without a database the roles cannot drain: they are given this long to try. */
const DEAD_DATABASE_GRACE_MS = 10_000;
const ROOT = fileURLToPath(new URL("..", import.meta.url));

const VIRTUAL_CLOCK = "--clock=virtual";
const TEMPORARY = "--temporary";

export async function startStandalone(
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
  options: readonly string[] = [],
): Promise<Role> {
  refuseDecided(env);
  const settings = readSettings(STANDALONE_SETTINGS, env, STANDALONE_DEFAULTS);
  const log = createLogger("standalone", settings.LOG_LEVEL);
  const dataDir = resolve(ROOT, settings.BELLHOP_DATA_DIR);
  const isTemporary = options.includes(TEMPORARY);
  if (isTemporary) await refuseFilledFolder(dataDir);
  // A first start makes a database, which takes a while: what would end it then is found out now.
  await demandFreePort(settings);
  await mkdir(dataDir, { recursive: true });
  await using opened = new AsyncDisposableStack();
  if (isTemporary) await removeLeftFolders(dataDir, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(`Starting PostgreSQL in ${dataDir} …\n`);
  const postgres = await startEmbeddedPostgres({
    dataDir,
    onLog: (line) => process.stdout.write(`${line}\n`),
    onLocked: () => {
      if (isTemporary) opened.defer(() => removeFolder(dataDir));
    },
  });
  opened.defer(() => postgres.stop());
  const keys = await readAdminKeys(dataDir, settings.BELLHOP_API_KEY);
  const { secretsKey, time } = await withStore(postgres.url, async (store) => {
    await migrateUp(store, { signal });
    return {
      secretsKey: await chooseSecretsKey(store, dataDir, env["BELLHOP_SECRETS_KEY"]?.trim() || undefined),
      time: await chooseTime(store, options.includes(VIRTUAL_CLOCK), systemClock.now()),
    };
  });
  if (time)
    log.warn({ now: time.now() }, "schedules see a clock for tests, which stands still until it is advanced");
  const roleEnv = chooseRoleEnv(env, { databaseUrl: postgres.url, apiKey: keys.join(","), secretsKey });

  const scheduler = await startScheduler(roleEnv.scheduler, signal, time);
  opened.defer(() => scheduler.stop());
  // Workers are told where the API is reached. It stops before them all the same.
  let autoscaler: Role | undefined;
  opened.defer(() => autoscaler?.stop());
  const api = await startApi(roleEnv.api, signal, undefined, time);
  opened.defer(() => api.stop());
  const address = `http://${toUrlHost(settings.HOST)}:${api.port}`;
  const completeAt = `http://${toUrlHost(reachableHost(settings.HOST))}:${api.port}`;
  const publicUrl = roleEnv.autoscaler["BELLHOP_PUBLIC_URL"] ?? completeAt;
  autoscaler = await startAutoscaler({ ...roleEnv.autoscaler, BELLHOP_PUBLIC_URL: publicUrl }, signal);

  const code = await withStore(postgres.url, (store) => createSignInCode(store));
  const facts = {
    address,
    signInLink: `${publicUrl}/console/sign-in#${code}`,
    key: keys[0],
    dataDir,
    egressAllow: settings.EGRESS_ALLOW,
    hasEmail: settings.EMAIL_URL !== undefined,
    minWorkers: settings.WORKERS_MIN,
    maxWorkers: settings.WORKERS_MAX,
    virtualNow: time?.now(),
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
      if (!isTemporary)
        process.stdout.write("Stopped. Everything is kept; npm start picks up where this was.\n");
    },
    abandon() {
      autoscaler?.abandon?.();
      // Immediate: PostgreSQL recovers from its log at the next start.
      signalProcess(postgres.pid, "SIGQUIT");
    },
  };
}

const toUrlHost = (host: string) => (host.includes(":") ? `[${host}]` : host);

/** What is bound to every address is reached at this machine's own. */
const reachableHost = (host: string) => (host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host);

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
  settings: STANDALONE_SETTINGS,
  defaults: STANDALONE_DEFAULTS,
  options: {
    [VIRTUAL_CLOCK]: "schedules see a clock for tests: POST /v1/clock/advance",
    [TEMPORARY]: "the data folder, a new one, goes when this ends, as bellhop dev wants it",
  },
  start: startStandalone,
};

if (import.meta.main) await runRole(standaloneProgram);
