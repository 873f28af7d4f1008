import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, describe, test } from "node:test";
import { createHttpSink } from "../../test/support/http-sink.ts";
import { createOtlpReceiver } from "../../test/support/otlp-receiver.ts";
import { createOtlpTracer, type OtlpTracerOptions } from "./otlp-tracer.ts";
import { parseTraceparent } from "./traceparent.ts";
import type { Tracer } from "./tracing.ts";

const receiver = await createOtlpReceiver();
after(() => receiver.close());

const SAMPLED = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
const UNSAMPLED = `00-${"c".repeat(32)}-${"d".repeat(16)}-00`;

function openTracer(given: Partial<OtlpTracerOptions> = {}): Tracer {
  return createOtlpTracer({
    url: `${receiver.url}/v1/traces`,
    headers: {},
    resource: { "service.name": "test" },
    role: "api",
    sampler: "parentbased_always_on",
    samplerRatio: 1,
    onDropped: () => {},
    ...given,
  });
}

const isSampled = ({ traceparent }: { traceparent: string | undefined }) =>
  parseTraceparent(traceparent)!.isSampled;

describe("spans over OTLP", () => {
  test("children, links, attributes, errors and the process arrive as they were said", async () => {
    const tracer = openTracer();
    const parent = tracer.continueTrace("GET", SAMPLED, {
      kind: "server",
      attributes: { a: 1, none: undefined },
    });
    const child = parent.startChild("call", { kind: "client" });
    child.fail("http_status");
    child.end();
    parent.rename("GET /x");
    parent.set({ b: true, none: undefined });
    parent.end();
    const linked = tracer.beginTrace("attempt", [parent.traceparent, null, undefined, "nonsense"]);
    linked.end();
    await tracer.close();

    const [seenChild, seenParent, seenLinked] = receiver.spans;
    assert.deepEqual(
      [seenParent!.name, seenParent!.kind, seenParent!.attributes],
      ["GET /x", "server", { a: 1, b: true }],
    );
    assert.equal(seenParent!.traceId, "a".repeat(32));
    assert.equal(seenParent!.parentSpanId, "b".repeat(16));
    assert.equal(seenParent!.traceparent, parent.traceparent);
    assert.deepEqual(parent.logFields, { traceId: seenParent!.traceId, spanId: seenParent!.spanId });
    assert.deepEqual([seenChild!.parentSpanId, seenChild!.isError], [seenParent!.spanId, true]);
    assert.deepEqual(seenChild!.attributes, { "error.type": "http_status" });
    assert.notEqual(seenLinked!.traceId, seenParent!.traceId);
    assert.deepEqual(seenLinked!.links, [{ traceId: seenParent!.traceId, spanId: seenParent!.spanId }]);
    assert.equal(seenLinked!.resource["service.name"], "test");
    assert.equal(seenLinked!.resource["bellhop.role"], "api");
  });

  test("a consumer is sampled where its cause was; whoever begins anew asks the sampler", async () => {
    const none = openTracer({ sampler: "parentbased_traceidratio", samplerRatio: 0 });
    assert.ok(isSampled(none.beginTrace("attempt", [SAMPLED], { kind: "consumer" })));
    assert.ok(isSampled(none.continueTrace("GET", SAMPLED)));
    assert.ok(!isSampled(none.beginTrace("attempt", [], { kind: "consumer" })));
    assert.ok(!isSampled(none.beginTrace("schedule", [SAMPLED], { kind: "producer" })));
    const all = openTracer();
    assert.ok(!isSampled(all.beginTrace("attempt", [UNSAMPLED], { kind: "consumer" })));
    assert.ok(!isSampled(all.continueTrace("GET", UNSAMPLED)));
    assert.ok(isSampled(all.beginTrace("schedule", [UNSAMPLED], { kind: "producer" })));
    const own = openTracer({ sampler: "always_off" });
    assert.ok(!isSampled(own.continueTrace("GET", SAMPLED)));
    await Promise.all([none, all, own].map((tracer) => tracer.close()));
  });

  test("what a collector refuses is counted and told", async (t) => {
    const refusing = await createHttpSink(() => ({ status: 400 }));
    t.after(() => refusing.close());
    const told = Promise.withResolvers<string>();
    const tracer = openTracer({ url: `${refusing.url}/v1/traces`, onDropped: told.resolve });
    tracer.beginTrace("lost", []).end();
    assert.equal(await told.promise, "the collector did not take them");
    assert.equal(tracer.droppedSpans, 1);
    await tracer.close();
  });

  test("a collector that never answers does not hold up the end", async (t) => {
    const silent = createServer(() => {});
    await once(silent.listen(0, "127.0.0.1"), "listening");
    t.after(() => silent.close());
    const { port } = silent.address() as { port: number };
    const tracer = openTracer({ url: `http://127.0.0.1:${port}/v1/traces`, closeTimeoutMs: 100 });
    tracer.beginTrace("stuck", []).end();
    const startedMs = performance.now();
    await tracer.close();
    assert.ok(performance.now() - startedMs < 5_000, "it waits as long as it is told, not for the answer");
  });
});
