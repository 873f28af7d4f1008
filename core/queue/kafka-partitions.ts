/** Which partition a message travels on. */
import { type PartitionerArgs, Partitioners } from "kafkajs";

/** Hexadecimal digits, which in an id of ours are random. */
const LAST_DIGITS = 6;

/**
 * Spreads bells evenly by the end of their runs' ids: to hash a key, as every client of Kafka does, costs more than to encode
 * the message. Dead letters go where every client would send them, for others read that topic, and may join it by its keys.
 */
export const createPartitioner = (deadLetterTopic: string) => () => {
  const hashKey = Partitioners.DefaultPartitioner();
  return (args: PartitionerArgs): number => {
    const { topic, partitionMetadata, message } = args;
    if (topic === deadLetterTopic) return hashKey(args);
    return Number.parseInt(String(message.key).slice(-LAST_DIGITS), 16) % partitionMetadata.length;
  };
};
