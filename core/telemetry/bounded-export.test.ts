import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { createBoundedExport } from "./bounded-export.ts";

type Exporter = Parameters<typeof createBoundedExport>[0];
type Done = Parameters<Exporter["export"]>[1];

/** A collector that answers when the test says so. */
function openExport(maxQueued: number) {
  const sends: { count: number; done: Done }[] = [];
  const told: string[] = [];
  let onSend = () => {};
  const exporter: Exporter = {
    export(spans, done) {
      sends.push({ count: spans.length, done });
      onSend();
    },
    shutdown: async () => {},
  };
  const bounded = createBoundedExport(exporter, (reason) => told.push(reason), maxQueued);
  const tracer = new TracerProvider({ spanProcessors: [bounded.processor] }).getTracer("test");
  return {
    ...{ sends, told, bounded },
    end(count: number) {
      for (let index = 0; index < count; index += 1) tracer.startSpan("span").end();
    },
    nextSend: () =>
      new Promise<void>((resolve) => {
        onSend = resolve;
      }),
  };
}

const SENT = { code: 0 };
const FAILED = { code: 1, error: new Error("refused") };

describe("spans on their way", () => {
  test("what the queue has no room for is dropped, counted, and told once", () => {
    const { end, bounded, told } = openExport(4);
    end(10);
    // A full batch has left; as many wait behind it.
    assert.equal(bounded.dropped(), 2);
    assert.deepEqual(told, ["more spans end than the collector takes"]);
  });

  test("what the collector refuses is counted, and told again only after it took something", async () => {
    const { end, bounded, told, sends, nextSend } = openExport(2);
    end(2);
    for (const [index, result] of [FAILED, FAILED, SENT, FAILED].entries()) {
      const next = nextSend();
      sends[index]!.done(result);
      end(2);
      await next;
    }
    sends[4]!.done(SENT);
    assert.deepEqual(
      sends.map(({ count }) => count),
      [2, 2, 2, 2, 2],
    );
    assert.equal(bounded.dropped(), 6);
    const reason = "the collector did not take them";
    assert.deepEqual(told, [reason, reason]);
  });

  test("what waits is sent at the end", async () => {
    const { end, bounded, sends, nextSend } = openExport(10);
    end(3);
    const next = nextSend();
    const closed = bounded.processor.shutdown();
    await next;
    assert.equal(sends[0]!.count, 3);
    sends[0]!.done(SENT);
    await closed;
    assert.equal(bounded.dropped(), 0);
  });
});
