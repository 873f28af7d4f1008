/** The API: records what is asked and exposes what happened; it executes nothing. */
import type { Server } from "node:http";
import { hostname } from "node:os";
import { createAdaptorServer } from "@hono/node-server";
import { systemClock } from "../core/clock.ts";
import { readSettings, type SettingName } from "../core/config/settings.ts";
import { openTransport } from "../core/queue/open.ts";
import { type Role, type RoleProgram, runningRole, runRole } from "../core/role.ts";
import { openStore } from "../core/store/database.ts";
import { DEFAULT_NAMESPACE, ensureAdminKey, ensureNamespace } from "../core/store/keys.ts";
import { openListener } from "../core/store/listen.ts";
import { isMigrated, migrateUp } from "../core/store/migrate.ts";
import { createNotifier } from "../core/store/notify.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createApiMetrics, createRegistry } from "../core/telemetry/metrics.ts";
import { createProbes, listen } from "../core/telemetry/probes.ts";
import { createApp } from "./app.ts";
import { createFinishWaiter } from "./functions/wait.ts";
import { createRunRinger } from "./ring.ts";

const SETTINGS = [
  "DATABASE_URL",
  "KAFKA_BROKERS",
  "KAFKA_TOPIC_PREFIX",
  "KAFKA_PARTITIONS",
  "PORT",
  "HOST",
  "LOG_LEVEL",
  "BELLHOP_API_KEY",
] as const satisfies SettingName[];

export async function startApi(env: NodeJS.ProcessEnv): Promise<Role> {
  const settings = readSettings(SETTINGS, env);
  const log = createLogger("api", settings.LOG_LEVEL);
  const onError = (error: unknown) => log.warn({ error }, "database connection");
  const clock = systemClock;
  await using opened = new AsyncDisposableStack();
  const store = openStore({
    databaseUrl: settings.DATABASE_URL,
    applicationName: "bellhop-api",
    maxConnections: 16,
    onError,
  });
  opened.defer(() => store.close());
  await migrateUp(store.db, clock.now());
  const namespaceId = await ensureNamespace(store.db, DEFAULT_NAMESPACE);
  if (settings.BELLHOP_API_KEY !== undefined)
    await ensureAdminKey(store.db, namespaceId, settings.BELLHOP_API_KEY);
  const notifier = createNotifier(store, clock, onError);
  opened.defer(() => notifier.flush());
  const listener = await openListener(settings.DATABASE_URL, clock, onError);
  opened.defer(() => listener.close());
  const transport = await openTransport(settings, `bellhop-api-${hostname()}`, { notifier, listener }, log);
  opened.defer(() => transport.close());
  const registry = createRegistry("api");
  const stopping = new AbortController();
  const ringer = createRunRinger(transport, (error) =>
    log.warn({ error }, "bells were not sent; the sweep rings them again"),
  );
  opened.defer(() => ringer.flush());
  const app = createApp({
    store,
    transport,
    ringer,
    notifier,
    waiter: createFinishWaiter(listener, clock),
    clock,
    log,
    metrics: createApiMetrics(registry),
    probes: createProbes(
      registry,
      {
        database: async () => {
          if (!(await isMigrated(store.db))) throw new Error("the schema is not up to date");
        },
      },
      { queue: () => transport.checkReady() },
    ),
    stopping: stopping.signal,
  });
  const server = await listen(
    createAdaptorServer({ fetch: app.fetch }) as Server,
    settings.HOST,
    settings.PORT,
  );
  opened.defer(() => server.close());
  opened.defer(() => stopping.abort());
  log.info({ port: server.port, transport: transport.name }, "api started");
  return runningRole(server.port, opened.move(), (message) => log.info(`api ${message}`));
}

export const apiProgram: RoleProgram = {
  command: "npm run api",
  purpose: "the HTTP edge: records what is asked and exposes what happened",
  settings: SETTINGS,
  start: startApi,
};

if (import.meta.main) await runRole(apiProgram);
