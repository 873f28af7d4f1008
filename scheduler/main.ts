/** The scheduler: decides what is due, rings it at its instant, rescues what was lost. Any number share the work. */
import { hostname } from "node:os";
import { systemClock } from "../core/clock.ts";
import { readSettings, type SettingName } from "../core/config/settings.ts";
import { openTransport } from "../core/queue/open.ts";
import { type Role, type RoleProgram, runningRole, runRole } from "../core/role.ts";
import { openStore } from "../core/store/database.ts";
import { openListener } from "../core/store/listen.ts";
import { isMigrated, migrateUp } from "../core/store/migrate.ts";
import { createNotifier } from "../core/store/notify.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry, createSchedulerMetrics } from "../core/telemetry/metrics.ts";
import { createProbes, startProbeServer } from "../core/telemetry/probes.ts";
import { startJobs } from "./jobs.ts";
import { createRinger } from "./ring-ahead.ts";
import { startStageLoop } from "./stage.ts";

const SETTINGS = [
  "DATABASE_URL",
  "KAFKA_BROKERS",
  "KAFKA_TOPIC_PREFIX",
  "KAFKA_PARTITIONS",
  "PORT",
  "HOST",
  "LOG_LEVEL",
  "WORKER_LEASE",
  "BELLHOP_RETENTION_DAYS",
] as const satisfies SettingName[];
const DEFAULTS = { PORT: "8081" };

export async function startScheduler(env: NodeJS.ProcessEnv): Promise<Role> {
  const settings = readSettings(SETTINGS, env, DEFAULTS);
  const log = createLogger("scheduler", settings.LOG_LEVEL);
  const onError = (error: unknown) => log.warn({ error }, "database connection");
  const registry = createRegistry("scheduler");
  const metrics = createSchedulerMetrics(registry);
  const clock = systemClock;
  await using opened = new AsyncDisposableStack();
  const store = openStore({
    databaseUrl: settings.DATABASE_URL,
    applicationName: "bellhop-scheduler",
    maxConnections: 6,
    onError,
  });
  opened.defer(() => store.close());
  await migrateUp(store.db, clock.now());
  const notifier = createNotifier(store, clock, onError);
  opened.defer(() => notifier.flush());
  const listener = await openListener(settings.DATABASE_URL, clock, onError);
  opened.defer(() => listener.close());
  const transport = await openTransport(
    settings,
    `bellhop-scheduler-${hostname()}`,
    { notifier, listener },
    log,
  );
  opened.defer(() => transport.close());

  const ringer = createRinger(transport, clock, {
    rung: (count) => metrics.rung.inc(count),
    failed: (error) => log.warn({ error }, "bells were not sent; the sweep rings them again"),
  });
  opened.defer(() => ringer.close());
  const loop = startStageLoop(store, clock, {
    staged({ staged, retries }) {
      metrics.staged.inc(staged.length);
      metrics.retried.inc(retries.length);
      ringer.add([...staged, ...retries]);
    },
    failed: (error) => log.error({ error }, "staging failed; tried again soon"),
  });
  opened.defer(() => loop.stop());
  listener.on("bellhop_schedule", () => loop.wake());
  const jobs = startJobs({
    store,
    clock,
    transport,
    notifier,
    log,
    metrics,
    leaseMs: settings.WORKER_LEASE,
    retentionDays: settings.BELLHOP_RETENTION_DAYS,
  });
  opened.defer(() => jobs.stop());
  const probes = createProbes(
    registry,
    {
      database: async () => {
        if (!(await isMigrated(store.db))) throw new Error("the schema is not up to date");
      },
    },
    { queue: () => transport.checkReady() },
  );
  const server = await startProbeServer(probes, settings.HOST, settings.PORT);
  opened.defer(() => server.close());
  log.info({ port: server.port, transport: transport.name }, "scheduler started");
  return runningRole(server.port, opened.move(), (message) => log.info(`scheduler ${message}`));
}

export const schedulerProgram: RoleProgram = {
  command: "npm run scheduler",
  purpose: "decides what is due and rings it at its instant",
  settings: SETTINGS,
  defaults: DEFAULTS,
  start: startScheduler,
};

if (import.meta.main) await runRole(schedulerProgram);
