import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import type { Clock } from "../clock.ts";
import { createOutageLog, isClusterChange } from "./kafka-log.ts";

/** As kafkajs words them. */
const { errorCodes } = createRequire(import.meta.url)("kafkajs/src/protocol/error.js") as {
  errorCodes: { type: string; message: string }[];
};
const textOf = (type: string) => errorCodes.find((error) => error.type === type)!.message;
const message = "Response Heartbeat(key: 12, version: 3)";

test("a group that changes, a leader that moves, a topic that is new are no errors; what else kafkajs says is one", () => {
  for (const type of [
    "REBALANCE_IN_PROGRESS",
    "GROUP_COORDINATOR_NOT_AVAILABLE",
    "GROUP_LOAD_IN_PROGRESS",
    "NOT_COORDINATOR_FOR_GROUP",
    "MEMBER_ID_REQUIRED",
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "UNKNOWN_TOPIC_OR_PARTITION",
  ]) {
    assert.ok(isClusterChange({ message, error: textOf(type) }), type);
    assert.ok(isClusterChange({ message: textOf(type) }), type);
    assert.ok(!isClusterChange({ message: `Crash: ${textOf(type)}` }), `a crash for ${type}`);
  }
  for (const type of ["UNKNOWN_MEMBER_ID", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"])
    assert.ok(!isClusterChange({ message, error: textOf(type) }), type);
  assert.ok(!isClusterChange({ message: "Connection error", error: undefined }));
});

test("of an outage the first failure is told, then one a minute with how many were not, and its end once", () => {
  const startMs = Date.now();
  let nowMs = startMs;
  const outage = createOutageLog({ now: () => new Date(nowMs) } as Clock);
  assert.equal(outage.healed(), false, "nothing was away");
  const told: [number, number][] = [];
  for (; nowMs < startMs + 150_000; nowMs += 50) {
    const { isTold, untold } = outage.failed();
    if (isTold) told.push([nowMs - startMs, untold]);
  }
  assert.deepEqual(told, [
    [0, 0],
    [60_000, 1_199],
    [120_000, 1_199],
  ]);
  assert.deepEqual([outage.healed(), outage.healed()], [true, false]);
  assert.deepEqual(outage.failed(), { isTold: true, untold: 0 });
});
