/** What is named on the queue, in one place: topics and consumer groups. */
import type { Lane } from "../domain/lane.ts";

/** Type of the events that Knative's KafkaSource makes of a topic's messages. */
export const KAFKA_SOURCE_EVENT_TYPE = "dev.knative.kafka.event";

export interface QueueNames {
  topics: Record<Lane, string> & { "dead-letters": string };
  /** The consumer group that shares a lane. */
  groups: Record<Lane, string>;
}

/** On Kafka; `prefix` is the setting KAFKA_TOPIC_PREFIX. */
export function nameQueues(prefix: string): QueueNames {
  return {
    topics: {
      runs: `${prefix}.runs`,
      "long-runs": `${prefix}.long-runs`,
      "dead-letters": `${prefix}.dead-letters`,
    },
    groups: { runs: `${prefix}.workers`, "long-runs": `${prefix}.long-workers` },
  };
}
