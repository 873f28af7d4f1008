/** A broker that crashes, comes back empty, stands still, loses its topics, or cannot be reached. */
import { Kafka, logLevel } from "kafkajs";
import type { TorturedBroker } from "../system/broker.ts";
import type { Fault, Harm } from "./fault.ts";

const PART = "kafka";

const ofBroker = (
  weight: number,
  lastsMs: Fault["lastsMs"],
  harm: (kafka: TorturedBroker, pick: number) => Omit<Harm, "part">,
): Fault => ({
  ...{ weight, lastsMs },
  aim: ({ kafka }, pick) => kafka && { part: PART, ...harm(kafka, pick) },
});

export const kafkaCrash = ofBroker(1, [0, 5_000], ({ broker }, pick) => ({
  inflict: () => (pick < 0.5 ? broker.kill() : broker.stop()),
  heal: () => broker.restart(),
}));

export const kafkaEmpty = ofBroker(1, [0, 1_000], ({ broker }) => ({
  inflict: () => broker.kill(),
  heal: () => broker.restart({ empty: true }),
}));

export const kafkaFreeze = ofBroker(1, [1_000, 12_000], ({ broker }) => ({
  inflict: async () => broker.freeze(),
  heal: async () => broker.thaw(),
}));

export const kafkaPartition = ofBroker(1, [1_000, 12_000], ({ proxy }) => ({
  inflict: async () => proxy.hold(),
  heal: async () => proxy.release(),
}));

export const kafkaTopics = ofBroker(1, [0, 0], ({ address }) => ({
  inflict: () => deleteTopics(address),
}));

async function deleteTopics(address: string): Promise<void> {
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => !topic.startsWith("__"));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}
