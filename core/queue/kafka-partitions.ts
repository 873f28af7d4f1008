/** Which partition a message travels on. */
import type { PartitionerArgs } from "kafkajs";

/** Hexadecimal digits, which in an id of ours are random. */
const LAST_DIGITS = 6;

/**
 * Spreads runs evenly, by the end of their ids, and one run's messages to one partition. The partitioner of kafkajs hashes
 * the key, which costs more than to encode the message.
 */
export const partitionByRun =
  () =>
  ({ partitionMetadata, message }: PartitionerArgs): number =>
    Number.parseInt(String(message.key).slice(-LAST_DIGITS), 16) % partitionMetadata.length;
