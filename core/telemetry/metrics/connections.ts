/** What every role tells of its ways to the database and to the queue. */
import { Counter, Gauge, Histogram, type Metric, type Registry } from "prom-client";
import { LANES } from "../../domain/lane.ts";
import { STEP_SECONDS } from "./buckets.ts";
import { createKnownCounter, seriesOf } from "./known-counter.ts";

/** What is looked at when somebody asks. */
export interface ConnectionStats {
  /** Connections of the pool, and who waits for one. */
  pool(): { total: number; idle: number; waiting: number; max: number };
  isListening(): boolean;
}

const OPERATIONS = ["ring", "publish", "client"] as const;
export type QueueOperation = (typeof OPERATIONS)[number];

/** Not in a registry before `register`: a role opens its connections before it has one. */
export function createConnectionMetrics() {
  const registers: Registry[] = [];
  const queueErrors = createKnownCounter(
    {
      name: "bellhop_queue_errors_total",
      help: "Failures of the queue: bells that were not sent, dead letters that were not published, and what Kafka's client reports by itself.",
      registers,
    },
    seriesOf("operation", OPERATIONS),
  );
  const counters = {
    queueErrors,
    bellsSent: createKnownCounter(
      {
        name: "bellhop_bells_sent_total",
        help: "Bells handed to the queue, by lane.",
        registers,
      },
      seriesOf("lane", LANES),
    ),
    ringSeconds: new Histogram({
      name: "bellhop_ring_duration_seconds",
      help: "Duration of a send of bells, failed ones too.",
      buckets: STEP_SECONDS,
      registers,
    }),
    bellsReceived: createKnownCounter(
      {
        name: "bellhop_bells_received_total",
        help: "Bells that came from the queue, by lane. Hints of the PostgreSQL transport are not among them.",
        registers,
      },
      seriesOf("lane", LANES),
    ),
    hintsReceived: new Counter({
      name: "bellhop_hints_received_total",
      help: "Hints that something may be ready: how bells come where the queue is PostgreSQL, or while Kafka's are not heard.",
      registers,
    }),
    hearing: new Gauge({
      name: "bellhop_queue_hearing",
      help: "1 while the bells of a lane are heard, 0 while runs are found in the table alone; only of who consumes one.",
      labelNames: ["lane"] as const,
      registers,
    }),
    consumersLost: createKnownCounter(
      {
        name: "bellhop_consumers_lost_total",
        help: "Consumers of Kafka that crashed or stood still, and were replaced, by lane.",
        registers,
      },
      seriesOf("lane", LANES),
    ),
    notificationsSent: new Counter({
      name: "bellhop_notifications_sent_total",
      help: "NOTIFYs sent, by channel.",
      labelNames: ["channel"] as const,
      registers,
    }),
    notificationErrors: new Counter({
      name: "bellhop_notification_errors_total",
      help: "NOTIFYs that could not be sent.",
      registers,
    }),
    databaseErrors: new Counter({
      name: "bellhop_database_connection_errors_total",
      help: "Database connections that broke or could not be opened.",
      registers,
    }),
  };
  return {
    ...counters,
    register(registry: Registry, stats: ConnectionStats): void {
      const all: unknown[] = [...Object.values(counters), ...createStatsGauges(stats)];
      for (const metric of all) registry.registerMetric(metric as Metric);
    },
  };
}

function createStatsGauges(stats: ConnectionStats): Gauge<string>[] {
  return [
    new Gauge({
      name: "bellhop_database_connections",
      help: "Connections of the pool, by what they do.",
      labelNames: ["state"] as const,
      registers: [],
      collect() {
        const { total, idle } = stats.pool();
        this.set({ state: "idle" }, idle);
        this.set({ state: "busy" }, total - idle);
      },
    }),
    new Gauge({
      name: "bellhop_database_connections_limit",
      help: "Connections the pool may open.",
      registers: [],
      collect() {
        this.set(stats.pool().max);
      },
    }),
    new Gauge({
      name: "bellhop_database_waiting_requests",
      help: "Statements and transactions that wait for a connection of the pool.",
      registers: [],
      collect() {
        this.set(stats.pool().waiting);
      },
    }),
    new Gauge({
      name: "bellhop_listener_connected",
      help: "1 while the connection that LISTENs stands.",
      registers: [],
      collect() {
        this.set(stats.isListening() ? 1 : 0);
      },
    }),
  ];
}

export type ConnectionMetrics = ReturnType<typeof createConnectionMetrics>;
