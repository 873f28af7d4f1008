import assert from "node:assert/strict";
import { test } from "node:test";
import type { Occurrence } from "../core/store/runs/stage.ts";
import { NO_TRACER } from "../core/telemetry/tracing.ts";
import { createSpanRecorder } from "../test/support/recorded-spans.ts";
import { traceStaging } from "./trace-staging.ts";

const REQUEST = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
const occurrence: Occurrence = {
  ...{ runId: "run-1", taskId: "task-1", type: "http", scheduledFor: new Date(0) },
  taskTraceparent: REQUEST,
};

test("each occurrence has a span that ends with the transaction, linked to its task's request", async () => {
  const { tracer, ended } = createSpanRecorder();
  const given = await traceStaging(tracer, async (trace) => {
    const traceparent = trace!(occurrence);
    trace!({ ...occurrence, runId: "run-2", taskTraceparent: null });
    assert.equal(ended.items.length, 0);
    return traceparent;
  });
  const [first, second] = ended.items;
  assert.equal(given, first!.traceparent);
  assert.deepEqual([first!.name, first!.kind, first!.links], ["schedule http", "producer", [REQUEST]]);
  assert.equal(first!.attributes["bellhop.run.id"], "run-1");
  assert.deepEqual([second!.links, second!.errorType], [[], undefined]);
});

test("of a transaction that fails they are errors", async () => {
  const { tracer, ended } = createSpanRecorder();
  const failing = traceStaging(tracer, async (trace) => {
    trace!(occurrence);
    throw new Error("no database");
  });
  await assert.rejects(failing, /no database/);
  assert.deepEqual(
    ended.items.map(({ errorType }) => errorType),
    ["staging_failed"],
  );
});

test("where nothing is traced nothing is asked", async () => {
  assert.equal(await traceStaging(NO_TRACER, async (trace) => trace), undefined);
});
