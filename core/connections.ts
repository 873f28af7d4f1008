/** What every role opens at its start, in this order: traces, database (migrated), doorbells, queue, metrics, probes. */
import { hostname } from "node:os";
import type { Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { SettingName, Settings } from "./config/settings.ts";
import { measureTransport } from "./queue/measured.ts";
import { openTransport, type QueueOptions } from "./queue/open.ts";
import { traceTransport } from "./queue/trace-transport.ts";
import type { QueueTransport } from "./queue/transport.ts";
import { openStore, type Store } from "./store/database.ts";
import type { Listener } from "./store/listen.ts";
import { isMigrated, migrateUp } from "./store/migrate.ts";
import { createNotifier, type Notifier } from "./store/notify.ts";
import { openBells } from "./store/poll-bells.ts";
import type { Pooling } from "./store/pooling.ts";
import type { Logger } from "./telemetry/log.ts";
import { createConnectionMetrics } from "./telemetry/metrics/connections.ts";
import { countDroppedSpans } from "./telemetry/metrics/traces.ts";
import { openTracer, TRACE_SETTINGS } from "./telemetry/open-tracer.ts";
import { createProbes, type Probes, type ReadinessCheck, type Report } from "./telemetry/probes.ts";
import type { Tracer } from "./telemetry/tracing.ts";

/** The settings every role reads. */
export const SHARED_SETTINGS = [
  "DATABASE_URL",
  "DATABASE_DIRECT_URL",
  "KAFKA_BROKERS",
  "KAFKA_TOPIC_PREFIX",
  "KAFKA_PARTITIONS",
  "PORT",
  "HOST",
  "LOG_LEVEL",
  ...TRACE_SETTINGS,
] as const satisfies SettingName[];

export interface ConnectionOptions {
  role: string;
  settings: Pick<Settings, (typeof SHARED_SETTINGS)[number]>;
  /** Database connections at most, the listener's besides. */
  maxConnections: number;
  clock: Clock;
  log: Logger;
  /** When Kafka is connected, which no role waits for: default at once. */
  connectsQueue?: QueueOptions["connects"];
}

export interface Connections {
  store: Store;
  notifier: Notifier;
  listener: Listener;
  transport: QueueTransport;
  tracer: Tracer;
  /** Resolves where the role consumes, and only a fresh process may hear bells again. */
  failed: Promise<Error>;
  /** Database and `checks` decide readiness; the queue and `reported` are only shown. */
  createProbes(
    registry: Registry,
    checks?: Record<string, ReadinessCheck>,
    reported?: Record<string, Report>,
  ): Probes;
}

/** Each part is closed by `opened`, newest first, also when a later one fails to open. */
export async function openConnections(
  opened: AsyncDisposableStack,
  { role, settings, maxConnections, clock, log, connectsQueue = "at once" }: ConnectionOptions,
): Promise<Connections> {
  const tracer = await openTracer(role, settings, log);
  // First, so that it is closed last: what drains is traced.
  opened.defer(() => tracer.close());
  const metrics = createConnectionMetrics();
  const onError = (error: unknown) => {
    metrics.databaseErrors.inc();
    log.warn({ error }, "database connection");
  };
  const { DATABASE_URL: databaseUrl, DATABASE_DIRECT_URL: directUrl } = settings;
  const applicationName = `bellhop-${role}`;
  const store = openStore({ databaseUrl, directUrl, applicationName, maxConnections, onError });
  opened.defer(() => store.close());
  // Its connection is made while the schema is looked at.
  const listening = openBells(store, clock, onError);
  const heard = listening.catch(() => undefined);
  opened.defer(async () => (await heard)?.close());
  await migrateUp(store, { now: clock.now() });
  const notifier = createNotifier(
    store,
    clock,
    (error) => {
      metrics.notificationErrors.inc();
      log.warn({ error }, "a notification was not sent");
    },
    (channel) => metrics.notificationsSent.inc({ channel }),
  );
  opened.defer(() => notifier.flush());
  const listener = await listening;
  tellPooling(await store.findPooling(), settings, log);
  const clientId = `bellhop-${role}-${hostname()}`;
  const hopeless = Promise.withResolvers<Error>();
  const opening = openTransport(settings, {
    ...{ clientId, notifier, listener, clock, log, connects: connectsQueue },
    onClientError: () => metrics.queueErrors.inc({ operation: "client" }),
    onConsumerLost: (lane) => metrics.consumersLost.inc({ lane }),
    onHopeless: hopeless.resolve,
  });
  opened.defer(() => opening.close());
  const measured = measureTransport(opening, metrics);
  const transport = traceTransport(measured, tracer, settings.KAFKA_TOPIC_PREFIX);
  const database = async () => {
    if (!(await isMigrated(store.db))) throw new Error("the schema is not up to date");
  };
  return {
    store,
    notifier,
    listener,
    transport,
    tracer,
    failed: hopeless.promise,
    createProbes(registry, checks = {}, reported = {}) {
      if (tracer.isOn) countDroppedSpans(registry, tracer);
      metrics.register(registry, {
        pool: () => countConnections(store, maxConnections),
        isListening: () => listener.isListening(),
      });
      return createProbes(
        registry,
        { database, ...checks },
        { queue: () => transport.checkReady(), ...reported },
      );
    },
  };
}

/** Once, where it makes a difference. */
export function tellPooling(
  { mode, missingSettings }: Pooling,
  { DATABASE_DIRECT_URL: directUrl }: Pick<Settings, "DATABASE_DIRECT_URL">,
  log: Logger,
): void {
  if (mode !== "transaction") return;
  const bells = directUrl === undefined ? "polled" : "heard on the direct connection";
  log.info({ bells }, "the database is reached through a pooler in transaction mode");
  if (missingSettings.length > 0)
    log.warn(
      { missingSettings },
      "sessions of the pooler lack settings that make statements fast and bounded; docs/operations.md says how to give them",
    );
}

function countConnections({ pool }: Store, max: number) {
  return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount, max };
}
