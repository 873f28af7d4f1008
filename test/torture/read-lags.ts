/** How many bells on Kafka nobody has dealt with, once there are none or patience is over. */
import { setTimeout as delay } from "node:timers/promises";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { nameQueues } from "../../core/queue/names.ts";
import type { TopicLag } from "./oracle/evidence.ts";
import { TOPIC_PREFIX } from "./system/system.ts";

const LOOK_MS = 500;

export async function readLags(address: string, patienceMs: number): Promise<TopicLag[]> {
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const deadlineMs = Date.now() + patienceMs;
  try {
    for (;;) {
      const lags = await lagsOf(admin).catch((error: Error) => error);
      if (Array.isArray(lags) && lags.every(({ lag }) => lag === 0)) return lags;
      if (Date.now() > deadlineMs) {
        if (Array.isArray(lags)) return lags;
        throw lags;
      }
      await delay(LOOK_MS);
    }
  } finally {
    await admin.disconnect();
  }
}

async function lagsOf(admin: Admin): Promise<TopicLag[]> {
  const { topics, groups } = nameQueues(TOPIC_PREFIX);
  const ends = await admin.fetchTopicOffsets(topics.runs);
  const [committed] = await admin.fetchOffsets({ groupId: groups.runs, topics: [topics.runs] });
  const offsets = new Map(committed!.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  return ends.map(({ partition, high }) => ({
    ...{ topic: topics.runs, partition },
    lag: Number(high) - Math.max(offsets.get(partition) ?? 0, 0),
  }));
}
