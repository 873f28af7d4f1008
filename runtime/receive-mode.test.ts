import assert from "node:assert/strict";
import { test } from "node:test";
import { BellhopError } from "../core/errors.ts";
import { demandKafka } from "./receive-mode.ts";

test("only the queue is received without Kafka", () => {
  demandKafka("queue", []);
  for (const receive of ["long-runs", "events"] as const) {
    demandKafka(receive, ["127.0.0.1:9092"]);
    assert.throws(
      () => demandKafka(receive, []),
      (error: unknown) =>
        error instanceof BellhopError &&
        error.code === "invalid_setting" &&
        error.message.startsWith(`WORKER_RECEIVE=${receive} needs Kafka: set KAFKA_BROKERS`),
    );
  }
});
