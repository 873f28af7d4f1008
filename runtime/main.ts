/** The worker: receives, claims, executes and records runs. Stateless; any number of them share the work. */
import { hostname } from "node:os";
import { systemClock } from "../core/clock.ts";
import { readSettings, type SettingName } from "../core/config/settings.ts";
import { parseNetworks } from "../core/egress/address-policy.ts";
import { createEgress } from "../core/egress/egress.ts";
import { openTransport } from "../core/queue/open.ts";
import { type Role, type RoleProgram, runRole } from "../core/role.ts";
import { openStore } from "../core/store/database.ts";
import { loadRevisionCode } from "../core/store/functions/functions.ts";
import { newId } from "../core/store/ids.ts";
import { openListener } from "../core/store/listen.ts";
import { isMigrated, migrateUp } from "../core/store/migrate.ts";
import { createNotifier } from "../core/store/notify.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry, createWorkerMetrics } from "../core/telemetry/metrics.ts";
import { createProbes, startProbeServer } from "../core/telemetry/probes.ts";
import { createMailProvider } from "./email/create-provider.ts";
import { createSandbox } from "./sandbox/sandbox.ts";
import { createEmailRunner } from "./tasks/email.ts";
import { createFunctionRunner } from "./tasks/function.ts";
import { createHttpRunner } from "./tasks/http.ts";
import { startWorker } from "./worker.ts";

const SETTINGS = [
  "DATABASE_URL",
  "KAFKA_BROKERS",
  "KAFKA_TOPIC_PREFIX",
  "KAFKA_PARTITIONS",
  "PORT",
  "HOST",
  "LOG_LEVEL",
  "EGRESS_ALLOW",
  "EMAIL_URL",
  "EMAIL_FROM",
  "WORKER_SLOTS",
  "WORKER_LEASE",
  "WORKER_DRAIN",
] as const satisfies SettingName[];
const DEFAULTS = { PORT: "8082" };

export async function startWorkerRole(env: NodeJS.ProcessEnv): Promise<Role> {
  const settings = readSettings(SETTINGS, env, DEFAULTS);
  const log = createLogger("worker", settings.LOG_LEVEL);
  const onError = (error: unknown) => log.warn({ error }, "database connection");
  const egress = createEgress({ allow: parseNetworks(settings.EGRESS_ALLOW) });
  const provider =
    settings.EMAIL_URL === undefined ? null : createMailProvider(settings.EMAIL_URL, { egress });
  const sandbox = createSandbox({ log });
  const clock = systemClock;
  const store = openStore({
    databaseUrl: settings.DATABASE_URL,
    applicationName: "bellhop-worker",
    maxConnections: 8,
    onError,
  });
  await migrateUp(store.db, clock.now());
  const notifier = createNotifier(store, clock, onError);
  const listener = await openListener(settings.DATABASE_URL, clock, onError);
  const transport = await openTransport(
    settings,
    `bellhop-worker-${hostname()}`,
    { notifier, listener },
    log,
  );
  const registry = createRegistry("worker");
  const facts = { id: newId(), host: hostname(), pid: process.pid, slots: settings.WORKER_SLOTS };
  const worker = await startWorker({
    facts,
    leaseMs: settings.WORKER_LEASE,
    drainMs: settings.WORKER_DRAIN,
    store,
    transport,
    notifier,
    listener,
    runners: {
      http: createHttpRunner({ egress }),
      email: createEmailRunner({ provider, from: settings.EMAIL_FROM }),
      function: createFunctionRunner({
        sandbox,
        loadCode: (revisionId) => loadRevisionCode(store.db, revisionId),
      }),
    },
    clock,
    log,
    metrics: createWorkerMetrics(registry),
  });
  const probes = createProbes(registry, {
    database: async () => {
      if (!(await isMigrated(store.db))) throw new Error("the schema is not up to date");
    },
    queue: () => transport.checkReady(),
  });
  const server = await startProbeServer(probes, settings.HOST, settings.PORT);
  log.info(
    { port: server.port, workerId: facts.id, slots: facts.slots, transport: transport.name },
    "worker started",
  );

  return {
    port: server.port,
    async stop() {
      log.info("worker draining");
      await worker.stop();
      await transport.close();
      await Promise.all([
        sandbox.close(),
        provider?.close(),
        egress.close(),
        listener.close(),
        server.close(),
      ]);
      await notifier.flush();
      await store.close();
      log.info("worker stopped");
    },
  };
}

export const workerProgram: RoleProgram = {
  command: "npm run worker",
  purpose: "receives, claims, executes and records runs",
  settings: SETTINGS,
  defaults: DEFAULTS,
  start: startWorkerRole,
};

if (import.meta.main) await runRole(workerProgram);
