/** What is named on the queue, in one place: topics, consumer groups, and the ways in which a worker receives. */

/** Where bells travel. `long-runs`: those of runs that outlast what an event's sender waits for. */
export type Lane = "runs" | "long-runs";

/** How a worker receives: `queue` and `long-runs` consume a lane, `events` is sent CloudEvents and consumes nothing. */
export const RECEIVE_MODES = ["queue", "long-runs", "events"] as const;
export type ReceiveMode = (typeof RECEIVE_MODES)[number];

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

/** The lane a worker consumes; undefined where it is sent its bells. */
export function laneOf(mode: ReceiveMode): Lane | undefined {
  if (mode === "events") return undefined;
  return mode === "queue" ? "runs" : "long-runs";
}
