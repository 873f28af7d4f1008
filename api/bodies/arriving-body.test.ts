import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { readHeldBytes } from "../../test/support/memory.ts";
import { createEdge, EDGE_LIMITS } from "../edge/edge.ts";
import { ArrivingBody } from "./arriving-body.ts";

const PART_BYTES = 1_000_000;
const PARTS = 50;

test("of a body that streams through nothing is kept", async () => {
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        sent += 1;
        controller.enqueue(new Uint8Array(PART_BYTES));
      },
    },
    { highWaterMark: 0 },
  );
  const body = new ArrivingBody(
    stream,
    createEdge(EDGE_LIMITS, createManualClock(), () => {}),
  );
  await body.read();
  const before = await readHeldBytes();
  for (let part = 0; part < PARTS; part += 1) assert.equal((await body.read())?.byteLength, PART_BYTES);
  const more = (await readHeldBytes()) - before;
  assert.ok(more < 5 * PART_BYTES, `${more} bytes are held of ${PARTS * PART_BYTES}`);
  assert.equal(sent, 1 + PARTS);
  await body.cancel();
});

test("a body that came too slowly did so for everybody who asks for more", async () => {
  const clock = createManualClock();
  let slow = 0;
  const edge = createEdge(EDGE_LIMITS, clock, () => {
    slow += 1;
  });
  const body = new ArrivingBody(new ReadableStream<Uint8Array>(), edge);
  for (const _time of ["first", "again"]) {
    const reading = assert.rejects(body.read(), { code: "request_body_too_slow", status: 408 });
    await clock.advance(10_000);
    await reading;
  }
  assert.equal(slow, 1);
});
