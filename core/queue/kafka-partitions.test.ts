import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../store/ids.ts";
import { partitionByRun } from "./kafka-partitions.ts";

function partitionOf(key: string, partitions: number): number {
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    ...{ partitionId, leader: 1, partitionErrorCode: 0 },
    ...{ replicas: [1], isr: [1] },
  }));
  return partitionByRun()({ topic: "runs", partitionMetadata, message: { key, value: "" } });
}

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
