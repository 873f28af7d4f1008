/** What every role opens at its start, in this order: traces, port, database (migrated), doorbells, queue, metrics, probes. */
import type { ServerOptions } from "node:http";
import { hostname } from "node:os";
import type { Registry } from "prom-client";
import { type Clock, steadyClock } from "./clock.ts";
import { closeInTime } from "./close-in-time.ts";
import type { SettingName, Settings } from "./config/settings.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";
import {
  type ConnectingDatabase,
  connectDatabase,
  type OpenedDatabase,
  openDatabase,
} from "./open-database.ts";
import { measureTransport } from "./queue/measured.ts";
import { openTransport, type QueueOptions } from "./queue/open.ts";
import { traceTransport } from "./queue/trace-transport.ts";
import type { QueueTransport } from "./queue/transport.ts";
import type { Store } from "./store/database.ts";
import { demandSchema } from "./store/migrate.ts";
import { createNotifier, type Notifier } from "./store/notify.ts";
import type { Logger } from "./telemetry/log.ts";
import { type ConnectionMetrics, createConnectionMetrics } from "./telemetry/metrics/connections.ts";
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
  "LOG_FAILED_RUNS",
  ...TRACE_SETTINGS,
] as const satisfies SettingName[];

export interface ConnectionOptions {
  role: string;
  settings: Pick<Settings, (typeof SHARED_SETTINGS)[number]>;
  /** Database connections at most, the listener's besides. */
  maxConnections: number;
  /** Of a worker. */
  leaseMs?: number;
  clock: Clock;
  log: Logger;
  registry: Registry;
  /** Of the role's port; default: what suits requests without bodies. */
  serverOptions?: ServerOptions;
  /** Ends a start that waits for the database. */
  signal?: AbortSignal | undefined;
  /** When Kafka is connected, which no role waits for: default at once. */
  connectsQueue?: QueueOptions["connects"];
}

export interface Connections extends OpenedDatabase {
  /** Bound; the role opens it, and closes it before what it needs. */
  door: FrontDoor;
  notifier: Notifier;
  transport: QueueTransport;
  tracer: Tracer;
  /** Resolves where the role consumes, and only a fresh process may hear bells again. */
  failed: Promise<Error>;
  /** Database and `checks` decide readiness; the queue and `reported` are only shown. */
  createProbes(checks?: Record<string, ReadinessCheck>, reported?: Record<string, Report>): Probes;
}

/** What is under way before anything is waited for. */
export interface BegunConnections {
  database: ConnectingDatabase;
  metrics: ConnectionMetrics;
  onError(error: unknown): void;
}

/** The database is being connected from now on: for a role that has to do before it waits for that. */
export function beginConnections(
  opened: AsyncDisposableStack,
  { role, settings, maxConnections, leaseMs, clock, log }: ConnectionOptions,
): BegunConnections {
  const metrics = createConnectionMetrics();
  const onError = (error: unknown) => {
    metrics.databaseErrors.inc();
    log.warn({ error }, "database connection");
  };
  const parts = { role, settings, maxConnections, leaseMs, clock, onError };
  return { database: connectDatabase(opened, parts), metrics, onError };
}

/** Each part is closed by `opened`, newest first, also when a later one fails to open. */
export async function openConnections(
  opened: AsyncDisposableStack,
  options: ConnectionOptions,
  begun: BegunConnections = beginConnections(opened, options),
): Promise<Connections> {
  const { role, settings, maxConnections, clock, log, registry, connectsQueue = "at once" } = options;
  const { metrics, onError } = begun;
  const { serverOptions, signal = new AbortController().signal } = options;
  const tracer = await openTracer(role, settings, log);
  // First, so that it is closed last: what drains is traced.
  opened.defer(() => tracer.close());
  const door = await openFrontDoor(settings, registry, serverOptions);
  opened.defer(() => door.close());
  const database = await openDatabase(opened, begun.database, {
    ...{ settings, door, clock, log, signal, onError },
  });
  const { store, listener } = database;
  const notifier = createNotifier(
    store,
    clock,
    (error) => {
      metrics.notificationErrors.inc();
      log.warn({ error }, "a notification was not sent");
    },
    (channel) => metrics.notificationsSent.inc({ channel }),
  );
  opened.defer(() => closeInTime(notifier.flush(), clock));
  const clientId = `bellhop-${role}-${hostname()}`;
  const hopeless = Promise.withResolvers<Error>();
  const opening = openTransport(settings, {
    // It asks only how long something lasts.
    ...{ clientId, notifier, listener, clock: steadyClock, log, connects: connectsQueue },
    onClientError: () => metrics.queueErrors.inc({ operation: "client" }),
    onConsumerLost: (lane) => metrics.consumersLost.inc({ lane }),
    onHopeless: hopeless.resolve,
  });
  opened.defer(() => opening.close());
  const measured = measureTransport(opening, metrics);
  const transport = traceTransport(measured, tracer, settings.KAFKA_TOPIC_PREFIX);
  return {
    ...database,
    door,
    notifier,
    transport,
    tracer,
    failed: hopeless.promise,
    createProbes(checks = {}, reported = {}) {
      if (tracer.isOn) countDroppedSpans(registry, tracer);
      metrics.register(registry, {
        pool: () => countConnections(store, maxConnections),
        isListening: () => listener.isListening(),
      });
      return createProbes(
        registry,
        { database: () => demandSchema(store.db), ...checks },
        { queue: () => transport.checkReady(), ...reported },
      );
    },
  };
}

function countConnections({ pool }: Store, max: number) {
  return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount, max };
}
