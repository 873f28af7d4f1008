/** Everything on this machine with one command: an embedded PostgreSQL, the API, the scheduler and a worker. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startApi } from "../api/main.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings, type SettingName } from "../core/config/settings.ts";
import { type Role, type RoleProgram, runRole } from "../core/role.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { startScheduler } from "../scheduler/main.ts";
import { readAdminKey } from "./admin-key.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { describeStart } from "./greeting.ts";
import { superviseWorker } from "./worker-process.ts";

const SETTINGS = [
  "PORT",
  "HOST",
  "BELLHOP_DATA_DIR",
  "BELLHOP_API_KEY",
  "BELLHOP_RETENTION_DAYS",
  "LOG_LEVEL",
  "EGRESS_ALLOW",
  "EMAIL_URL",
  "EMAIL_FROM",
  "WORKER_SLOTS",
  "WORKER_LEASE",
  "WORKER_DRAIN",
] as const satisfies SettingName[];
const LOOPBACK = "127.0.0.0/8,::1/128";
const DEFAULTS = { HOST: "127.0.0.1", LOG_LEVEL: "warn", EGRESS_ALLOW: LOOPBACK };
const ROOT = fileURLToPath(new URL("..", import.meta.url));

export async function startStandalone(env: NodeJS.ProcessEnv): Promise<Role> {
  const settings = readSettings(SETTINGS, env, DEFAULTS);
  const log = createLogger("standalone", settings.LOG_LEVEL);
  const dataDir = resolve(ROOT, settings.BELLHOP_DATA_DIR);
  await mkdir(dataDir, { recursive: true });
  /** What is running, newest last: stopped in reverse, so the database goes last. */
  const running: { stop(): Promise<void> }[] = [];
  const stopAll = async () => {
    for (let part = running.pop(); part; part = running.pop()) await part.stop();
  };
  try {
    process.stdout.write(`Starting PostgreSQL in ${dataDir} …\n`);
    const postgres = await startEmbeddedPostgres({ dataDir });
    running.push(postgres);
    const key = await readAdminKey(dataDir, settings.BELLHOP_API_KEY);
    const shared: NodeJS.ProcessEnv = {
      PATH: env["PATH"],
      DATABASE_URL: postgres.url,
      HOST: settings.HOST,
      LOG_LEVEL: settings.LOG_LEVEL,
      WORKER_LEASE: `${settings.WORKER_LEASE}ms`,
    };
    const scheduler = await startScheduler({
      ...shared,
      HOST: "127.0.0.1",
      PORT: "0",
      BELLHOP_RETENTION_DAYS: String(settings.BELLHOP_RETENTION_DAYS),
    });
    running.push(scheduler);
    const workerEnv: NodeJS.ProcessEnv = {
      ...shared,
      HOST: "127.0.0.1",
      PORT: "0",
      EGRESS_ALLOW: settings.EGRESS_ALLOW,
      WORKER_SLOTS: String(settings.WORKER_SLOTS),
      WORKER_DRAIN: `${settings.WORKER_DRAIN}ms`,
      ...(settings.EMAIL_URL === undefined ? {} : { EMAIL_URL: settings.EMAIL_URL }),
      ...(settings.EMAIL_FROM === undefined ? {} : { EMAIL_FROM: settings.EMAIL_FROM }),
    };
    running.push(
      superviseWorker(workerEnv, settings.WORKER_DRAIN, systemClock, (detail) =>
        log.error({ detail }, "the worker ended unexpectedly; it is started again"),
      ),
    );
    const api = await startApi({ ...shared, PORT: String(settings.PORT), BELLHOP_API_KEY: key });
    running.push(api);
    const stopWatching = watchDatabase(postgres.exited, stopAll, (message) => log.error(message));
    const address = `http://${settings.HOST.includes(":") ? `[${settings.HOST}]` : settings.HOST}:${api.port}`;
    process.stdout.write(
      describeStart({
        address,
        key,
        dataDir,
        egressAllow: settings.EGRESS_ALLOW,
        hasEmail: settings.EMAIL_URL !== undefined,
      }),
    );
    return {
      port: api.port,
      async stop() {
        stopWatching();
        process.stdout.write("Draining; the database stops last. A second Ctrl-C ends at once.\n");
        await stopAll();
        process.stdout.write("Stopped. Everything is kept; npm start picks up where this was.\n");
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** Without its database nothing works: says so and ends, instead of limping on. */
function watchDatabase(
  exited: Promise<unknown>,
  stopAll: () => Promise<void>,
  report: (message: string) => void,
): () => void {
  let watching = true;
  void exited.then(() => {
    if (!watching) return;
    report("PostgreSQL ended unexpectedly; its log stands in the data folder.");
    setTimeout(() => process.exit(1), 10_000).unref();
    void stopAll().finally(() => process.exit(1));
  });
  return () => {
    watching = false;
  };
}

export const standaloneProgram: RoleProgram = {
  command: "npm start --",
  purpose: "PostgreSQL, API, scheduler and a worker on this machine",
  settings: SETTINGS,
  defaults: DEFAULTS,
  start: startStandalone,
};

if (import.meta.main) await runRole(standaloneProgram);
