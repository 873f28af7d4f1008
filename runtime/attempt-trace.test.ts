import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_SPAN, NO_TRACER } from "../core/telemetry/tracing.ts";
import { createSpanRecorder, type RecordedSpan } from "../test/support/recorded-spans.ts";
import { createAttemptTracer, endAttemptSpan, runFields } from "./attempt-trace.ts";
import { claimedRun, finishedAttempt } from "./testing/claimed-run.ts";

const ORIGIN = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
const queue = { system: "kafka", destination: "bellhop.runs" };
const { tracer, ended } = createSpanRecorder();
const traceAttempt = createAttemptTracer(tracer, queue);

test("a claimed run begins a trace that is linked to what made it; a direct call goes on with its caller's", () => {
  const run = claimedRun({ traceparent: ORIGIN, attempt: 3 });
  const claimed = traceAttempt(run, false) as RecordedSpan;
  assert.deepEqual([claimed.kind, claimed.parent, claimed.links], ["consumer", undefined, [ORIGIN]]);
  assert.equal(claimed.attributes["messaging.destination.name"], "bellhop.runs");
  assert.equal(claimed.attributes["bellhop.run.attempt"], 3);
  const direct = traceAttempt(run, true) as RecordedSpan;
  assert.deepEqual([direct.kind, direct.parent, direct.links], ["server", ORIGIN, []]);
  assert.equal(direct.attributes["messaging.system"], undefined);
  const unknown = traceAttempt(claimedRun(), false) as RecordedSpan;
  assert.deepEqual(unknown.links, []);
});

test("its end says what became of the attempt, an error by its code", () => {
  const span = () => traceAttempt(claimedRun(), false) as RecordedSpan;
  const error = { code: "http_status", message: "s3cret" };
  const record = { ...finishedAttempt().record, error };
  endAttemptSpan(span(), finishedAttempt());
  endAttemptSpan(span(), finishedAttempt({ verdict: { state: "dead", error }, record }));
  endAttemptSpan(span(), null);
  assert.deepEqual(
    ended.items.map(({ attributes, errorType }) => [attributes["bellhop.run.outcome"], errorType]),
    [
      ["succeeded", undefined],
      ["dead", "http_status"],
      ["released", undefined],
    ],
  );
  assert.ok(!JSON.stringify(ended.items).includes("s3cret"));
});

test("log lines name run, task, attempt, and the trace where there is one", () => {
  const run = claimedRun({ traceparent: ORIGIN });
  const { id: runId, taskId, attempt } = run;
  assert.deepEqual(runFields(run, NO_SPAN), { runId, taskId, attempt });
  const span = traceAttempt(run, true);
  assert.deepEqual(runFields(run, span), { runId, taskId, attempt, ...span.logFields });
  assert.equal(createAttemptTracer(NO_TRACER, queue)(run, true), NO_SPAN);
});
