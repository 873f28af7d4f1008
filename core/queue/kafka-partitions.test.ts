import assert from "node:assert/strict";
import { test } from "node:test";
import { Partitioners } from "kafkajs";
import { newId } from "../store/ids.ts";
import { createPartitioner } from "./kafka-partitions.ts";

const [choosePartition, hashKey] = [createPartitioner("dead-letters")(), Partitioners.DefaultPartitioner()];

function describeMessage(topic: string, key: string, partitions: number) {
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    ...{ partitionId, leader: 1, partitionErrorCode: 0 },
    ...{ replicas: [1], isr: [1] },
  }));
  return { topic, partitionMetadata, message: { key, value: "" } };
}

const partitionOf = (key: string, partitions: number) =>
  choosePartition(describeMessage("runs", key, partitions));

test("dead letters are where every client of Kafka would send them", () => {
  for (let made = 0; made < 20; made += 1) {
    const letter = describeMessage("dead-letters", newId(), 12);
    assert.equal(choosePartition(letter), hashKey(letter));
  }
});

test("ids of one moment spread over all partitions", () => {
  const counts = new Array<number>(12).fill(0);
  for (let made = 0; made < 12_000; made += 1) counts[partitionOf(newId(), 12)]! += 1;
  assert.equal(counts.length, 12);
  // Far beyond what chance does: 1,000 ± 8 standard deviations.
  for (const count of counts) assert.ok(count > 750 && count < 1_250, counts.join(" "));
});

test("one run's messages are on one partition, however few there are", () => {
  const id = newId();
  assert.equal(partitionOf(id, 12), partitionOf(id, 12));
  assert.equal(partitionOf(id, 1), 0);
  assert.equal(partitionOf("0190b5a0-0000-7000-8000-00000000001f", 12), 31 % 12);
});
