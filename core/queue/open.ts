/** Which transport the settings ask for. */
import type { Clock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import type { Lane } from "../domain/lane.ts";
import type { Listener } from "../store/listen.ts";
import type { Notifier } from "../store/notify.ts";
import type { Logger } from "../telemetry/log.ts";
import { boundSends } from "./bounded-sends.ts";
import { withDemandBell } from "./demand-bell.ts";
import { isRefusal } from "./kafka-faults.ts";
import { createLateTransport } from "./late-transport.ts";
import { createPostgresTransport } from "./postgres.ts";
import { createQueueLog } from "./queue-log.ts";
import type { QueueTransport } from "./transport.ts";

export type QueueSettings = Pick<Settings, "KAFKA_BROKERS" | "KAFKA_TOPIC_PREFIX" | "KAFKA_PARTITIONS">;

export interface QueueOptions {
  clientId: string;
  notifier: Notifier;
  listener: Listener;
  clock: Clock;
  log: Logger;
  /** Whether Kafka is connected at once, or a moment after the first use. Nothing waits for it either way. */
  connects: "at once" | "when used";
  onClientError?(): void;
  /** A consumer was lost, and another is joined in its place. */
  onConsumerLost?(lane: Lane): void;
  /** What only a fresh process may heal. */
  onHopeless?(error: Error): void;
}

/** Loading and connecting it takes as much of a processor as the rest of a worker's start: what woke the worker goes first. */
const REST_MS = 250;

export function openTransport(settings: QueueSettings, options: QueueOptions): QueueTransport {
  const { clientId, notifier, listener, clock, connects } = options;
  if (settings.KAFKA_BROKERS.length === 0) return createPostgresTransport(notifier, listener);
  const report = createQueueLog(options);
  const kafka = createLateTransport({
    name: "kafka",
    async open() {
      // Loaded where it is used: it would be a tenth of what a worker loads at its start.
      const { connectKafka } = await import("./kafka.ts");
      return await connectKafka({
        brokers: settings.KAFKA_BROKERS,
        clientId,
        topicPrefix: settings.KAFKA_TOPIC_PREFIX,
        partitions: settings.KAFKA_PARTITIONS,
        clock,
        ...report.client,
      });
    },
    isRefusal,
    clock,
    random: Math.random,
    report: report.late,
    restMs: connects === "at once" ? 0 : REST_MS,
  });
  if (connects === "at once") kafka.connect();
  return withDemandBell(boundSends(kafka, clock, report.sends), notifier, listener);
}
