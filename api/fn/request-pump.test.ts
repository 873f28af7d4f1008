import assert from "node:assert/strict";
import { test } from "node:test";
import type { BellhopError } from "../../core/errors.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { ArrivingBody } from "../bodies/arriving-body.ts";
import { createEdge, EDGE_LIMITS } from "../edge/edge.ts";
import { pumpRequestBody } from "./request-pump.ts";

function open(chunks: number[], windowBytes: number) {
  const heard = createRecording<string>("word");
  let pulled = 0;
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const size = chunks[pulled++];
        if (size === undefined) controller.close();
        // Nothing more comes.
        else if (size === 0) return new Promise<void>(() => {});
        else if (size < 0) controller.error(new Error("the caller is gone"));
        else controller.enqueue(new Uint8Array(size));
        return undefined;
      },
      cancel() {
        isCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const feed = {
    data: (bytes: Uint8Array) => heard.add(`data ${bytes.byteLength}`),
    end: () => heard.add("end"),
    pull() {},
    leave: () => heard.add("leave"),
  };
  const clock = createManualClock();
  const edge = createEdge(EDGE_LIMITS, clock, () => heard.add("slow"));
  const onBroken = (error: unknown) => heard.add(`broken ${(error as BellhopError).code}`);
  const pump = pumpRequestBody(new ArrivingBody(body, edge), feed, windowBytes, onBroken);
  return { clock, heard, pump, pulled: () => pulled, isCancelled: () => isCancelled };
}

test("a body goes as far as it is granted, then waits, and ends", async () => {
  const { heard, pump } = open([10, 10], 15);
  await heard.waitFor((word) => word === "data 5");
  assert.deepEqual(heard.items, ["data 10", "data 5"]);
  pump.grant(3);
  await heard.waitFor((word) => word === "data 3");
  pump.grant(100);
  await heard.waitFor((word) => word === "end");
  assert.deepEqual(heard.items, ["data 10", "data 5", "data 3", "data 2", "end"]);
});

test("a body that breaks off is told", async () => {
  const { heard } = open([10, -1], 100);
  await heard.waitFor((word) => word.startsWith("broken"));
  assert.deepEqual(heard.items, ["data 10", "broken bad_request"]);
});

test("a body that stops coming is too slow; one that its function does not take is not", async () => {
  const { heard, pump, clock } = open([10, 0], 5);
  await heard.waitFor((word) => word === "data 5");
  await clock.advance(3_600_000);
  assert.deepEqual(heard.items, ["data 5"]);
  pump.grant(100);
  await heard.waitFor((word) => word === "data 5", { count: 2 });
  await clock.advance(9_999);
  assert.deepEqual(heard.items, ["data 5", "data 5"]);
  await clock.advance(1);
  await heard.waitFor((word) => word.startsWith("broken"));
  assert.deepEqual(heard.items, ["data 5", "data 5", "slow", "broken request_body_too_slow"]);
});

test("what is left when the answer came is read to its end, not sent and not cut off", async () => {
  const { heard, pump, pulled, isCancelled } = open([10, 10, 10], 10);
  await heard.waitFor(() => true);
  await new Promise(setImmediate);
  pump.stop();
  while (pulled() < 4) await new Promise(setImmediate);
  assert.deepEqual(heard.items, ["data 10"]);
  assert.equal(isCancelled(), false);
});
