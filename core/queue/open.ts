/** Which transport the settings ask for. */
import type { Clock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import type { Listener } from "../store/listen.ts";
import type { Notifier } from "../store/notify.ts";
import type { Logger } from "../telemetry/log.ts";
import { withDemandBell } from "./demand-bell.ts";
import { createLateTransport } from "./late-transport.ts";
import { createPostgresTransport } from "./postgres.ts";
import type { QueueTransport } from "./transport.ts";

export type QueueSettings = Pick<Settings, "KAFKA_BROKERS" | "KAFKA_TOPIC_PREFIX" | "KAFKA_PARTITIONS">;

export interface QueueOptions {
  clientId: string;
  notifier: Notifier;
  listener: Listener;
  clock: Clock;
  log: Logger;
  onClientError?(): void;
  /** Kafka is connected beside the role's work, and tried until it answers; else a role without it does not start. */
  late?: boolean;
}

export async function openTransport(
  settings: QueueSettings,
  { clientId, notifier, listener, clock, log, onClientError, late = false }: QueueOptions,
): Promise<QueueTransport> {
  if (settings.KAFKA_BROKERS.length === 0) return createPostgresTransport(notifier, listener);
  const open = async () => {
    // Loaded where it is used: it would be a tenth of what a worker loads at its start.
    const { createKafkaTransport } = await import("./kafka.ts");
    return await createKafkaTransport({
      brokers: settings.KAFKA_BROKERS,
      clientId,
      topicPrefix: settings.KAFKA_TOPIC_PREFIX,
      partitions: settings.KAFKA_PARTITIONS,
      onError(message, error) {
        onClientError?.();
        log.warn({ error }, `kafka: ${message}`);
      },
      onGroupChange: (message, detail) => log.debug({ detail }, `kafka: ${message}`),
    });
  };
  const onFailed = (error: unknown) =>
    log.warn({ error }, "kafka is not connected; runs are found in the table, and it is tried again");
  const kafka = late ? createLateTransport("kafka", open, clock, onFailed) : await open();
  return withDemandBell(kafka, notifier);
}
