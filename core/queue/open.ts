/** Which transport the settings ask for. */
import type { Settings } from "../config/settings.ts";
import type { Listener } from "../store/listen.ts";
import type { Notifier } from "../store/notify.ts";
import type { Logger } from "../telemetry/log.ts";
import { withDemandBell } from "./demand-bell.ts";
import { createPostgresTransport } from "./postgres.ts";
import type { QueueTransport } from "./transport.ts";

export type QueueSettings = Pick<Settings, "KAFKA_BROKERS" | "KAFKA_TOPIC_PREFIX" | "KAFKA_PARTITIONS">;

export async function openTransport(
  settings: QueueSettings,
  clientId: string,
  database: { notifier: Notifier; listener: Listener },
  log: Logger,
  onClientError: () => void = () => {},
): Promise<QueueTransport> {
  if (settings.KAFKA_BROKERS.length === 0)
    return createPostgresTransport(database.notifier, database.listener);
  // Loaded where it is used: it would be a tenth of what a worker loads at its start.
  const { createKafkaTransport } = await import("./kafka.ts");
  const kafka = await createKafkaTransport({
    brokers: settings.KAFKA_BROKERS,
    clientId,
    topicPrefix: settings.KAFKA_TOPIC_PREFIX,
    partitions: settings.KAFKA_PARTITIONS,
    onError(message, error) {
      onClientError();
      log.warn({ error }, `kafka: ${message}`);
    },
  });
  return withDemandBell(kafka, database.notifier);
}
