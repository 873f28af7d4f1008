import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { isPassing, isRefusal, isTopicGone } from "./kafka-faults.ts";

const require = createRequire(import.meta.url);
const { createErrorFromCode, errorCodes } = require("kafkajs/src/protocol/error.js") as {
  createErrorFromCode(code: number): Error;
  errorCodes: { type: string; code: number }[];
};
const kafkajs = require("kafkajs/src/errors.js") as Record<string, new (...given: unknown[]) => Error>;
const createRetry = require("kafkajs/src/retry/index.js") as (options: object) => Retrier;
type Retrier = (work: (bail: (error: Error) => void) => Promise<void>) => Promise<void>;

const answer = (type: string) => createErrorFromCode(errorCodes.find((each) => each.type === type)!.code);

/** As kafkajs hands it on: thrown through its retrier, or bailed out of it. */
async function listShapes(error: Error): Promise<unknown[]> {
  const retry = createRetry({ retries: 0, initialRetryTime: 1 });
  const thrown = retry(() => Promise.reject(error)).catch((shape: unknown) => shape);
  const bailed = retry(async (bail) => bail(error)).catch((shape: unknown) => shape);
  return [error, await thrown, await bailed];
}

test("a refusal is seen in whatever kafkajs wraps it, and is not tried again", async () => {
  for (const type of [
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
  ])
    for (const shape of await listShapes(answer(type)))
      assert.deepEqual([isRefusal(shape), isPassing(shape)], [true, false], type);
  const aggregate = new kafkajs["KafkaJSAggregateError"]!("Topic creation errors", [
    answer("POLICY_VIOLATION"),
  ]);
  assert.ok(isRefusal(aggregate));
});

test("what a broker answers while it starts or elects passes, also where kafkajs calls it final", async () => {
  const passing = [
    ...["GROUP_COORDINATOR_NOT_AVAILABLE", "GROUP_LOAD_IN_PROGRESS", "NOT_CONTROLLER"].map(answer),
    ...["LEADER_NOT_AVAILABLE", "REQUEST_TIMED_OUT"].map(answer),
    new kafkajs["KafkaJSGroupCoordinatorNotFound"]!("Failed to find group coordinator"),
    new kafkajs["KafkaJSLockTimeout"]!("Timeout while acquiring lock"),
    new kafkajs["KafkaJSConnectionError"]!("connect ECONNREFUSED"),
  ];
  for (const error of passing)
    for (const shape of await listShapes(error))
      assert.deepEqual([isPassing(shape), isRefusal(shape)], [true, false], error.message);
  for (const final of [new Error("a bug"), answer("INVALID_PARTITIONS"), undefined, "text"])
    assert.deepEqual([isPassing(final), isRefusal(final), isTopicGone(final)], [false, false, false]);
});

test("a topic that is gone is told from a broker that is", async () => {
  for (const shape of await listShapes(answer("UNKNOWN_TOPIC_OR_PARTITION"))) assert.ok(isTopicGone(shape));
  assert.ok(isTopicGone(new kafkajs["KafkaJSMetadataNotLoaded"]!("Producing to topic without metadata")));
  for (const shape of await listShapes(new kafkajs["KafkaJSConnectionError"]!("connect ECONNREFUSED")))
    assert.ok(!isTopicGone(shape));
});
