import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { arrayBuffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { BodySource } from "../bodies/arriving-body.ts";
import { createEdge, EDGE_LIMITS, type EdgeLimits } from "../edge/edge.ts";
import {
  AWAITED_BYTES,
  FIRST_BYTES_WAIT_MS,
  FIRST_PART_BYTES,
  type ReceivedCall,
  receiveCallBody,
} from "./call-body.ts";

const claimant = { namespaceId: "n", functionId: "f" };
const HEAD = { method: "POST", url: "http://a/", headers: [], hasBody: true };

/** A request whose body the test sends; `announced` is its content-length. */
function send(announced: number | undefined, limits: Partial<EdgeLimits> = {}) {
  const clock = createManualClock();
  let slow = 0;
  const edge = createEdge({ ...EDGE_LIMITS, ...limits }, clock, () => (slow += 1));
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
  });
  const request = new Request("http://a/", {
    ...{ method: "POST", body, duplex: "half" },
    headers: announced === undefined ? {} : { "content-length": String(announced) },
  });
  let handedOver: ReceivedCall | undefined;
  const received = receiveCallBody(edge, claimant, { request, incoming: undefined }, HEAD).then((given) => {
    handedOver = given;
    return given;
  });
  received.catch(() => {});
  return {
    ...{ clock, edge, received, slow: () => slow },
    send: (bytes: number) => controller.enqueue(new Uint8Array(bytes).fill(97)),
    end: () => controller.close(),
    breakOff: () => controller.error(new Error("broken")),
    isHandedOver: () => handedOver !== undefined,
  };
}

/** As the server makes one of Node's: its body is read of that once somebody asks for it. */
function requestOf(incoming: IncomingMessage, announced: number): Request {
  const headers = new Headers({ "content-length": String(announced) });
  return { headers, arrayBuffer: () => arrayBuffer(incoming) } as Request;
}

async function readAll(source: BodySource): Promise<number> {
  let bytes = 0;
  for (let chunk = await source.read(); chunk; chunk = await source.read()) bytes += chunk.byteLength;
  return bytes;
}

describe("a call's body", () => {
  test("of unknown length loses nothing that comes between its first bytes and its reader", async () => {
    const call = send(undefined);
    call.send(1);
    await call.clock.advance(FIRST_BYTES_WAIT_MS);
    const { body } = (await call.received).body;
    // Its reader waits for a worker meanwhile.
    call.send(2);
    await new Promise(setImmediate);
    call.send(3);
    call.end();
    assert.equal(await readAll(body!), 6);
  });

  test("of unknown length that breaks off before its reader comes tells that reader", async () => {
    const call = send(undefined);
    call.send(1);
    await call.clock.advance(FIRST_BYTES_WAIT_MS);
    const { body } = (await call.received).body;
    call.breakOff();
    await new Promise(setImmediate);
    assert.equal((await body!.read())?.byteLength, 1);
    await assert.rejects(body!.read(), { code: "bad_request" });
  });

  test("that came in one piece with its head is taken as it is, a turn later, and its caller was not waited for", async () => {
    const edge = createEdge(EDGE_LIMITS, createManualClock(), () => {});
    const incoming = new IncomingMessage(new Socket());
    const request = new Request("http://a/", { method: "POST", headers: { "content-length": "2" } });
    const received = receiveCallBody(edge, claimant, { request, incoming }, HEAD);
    incoming.push("hi");
    incoming.push(null);
    incoming.complete = true;
    const { body, wasAwaited } = await received;
    assert.deepEqual([body.sent.body, wasAwaited, incoming.listenerCount("data")], ["hi", false, 0]);
  });

  test("of which half came with its head was waited for, and is all there is", async () => {
    const edge = createEdge(EDGE_LIMITS, createManualClock(), () => {});
    const incoming = new IncomingMessage(new Socket());
    const received = receiveCallBody(edge, claimant, { request: requestOf(incoming, 2), incoming }, HEAD);
    incoming.push("h");
    await new Promise(setImmediate);
    incoming.push("i");
    incoming.push(null);
    incoming.complete = true;
    const { body, wasAwaited } = await received;
    assert.deepEqual([body.sent.body, wasAwaited], ["hi", true]);
  });

  test("that is incomplete is watched for its rate one turn after its head", async () => {
    const clock = createManualClock();
    const edge = createEdge(EDGE_LIMITS, clock, () => {});
    const incoming = new IncomingMessage(new Socket());
    const received = receiveCallBody(edge, claimant, { request: requestOf(incoming, 2), incoming }, HEAD);
    const refused = assert.rejects(received, { code: "request_body_too_slow", status: 408 });
    incoming.push("h");
    assert.equal(clock.sleepers, 0);
    await new Promise(setImmediate);
    assert.equal(clock.sleepers, 1);
    await clock.advance(10_000);
    await refused;
    assert.deepEqual([edge.bodies.held, clock.sleepers, incoming.listenerCount("data")], [0, 0, 0]);
  });

  test("that was told of and is none was not waited for", async () => {
    const edge = createEdge(EDGE_LIMITS, createManualClock(), () => {});
    const request = new Request("http://a/", { method: "POST", headers: { "transfer-encoding": "chunked" } });
    const received = { request, incoming: undefined };
    const { body, wasAwaited } = await receiveCallBody(edge, claimant, received, HEAD);
    assert.deepEqual([body.sent.body, wasAwaited], ["", false]);
  });

  test("that is long is handed over with its first part, and not before", async () => {
    const call = send(1_000_000);
    call.send(60_000);
    await call.clock.advance(9_000);
    assert.equal(call.isHandedOver(), false);
    call.send(10_000);
    const { sent, body, held } = (await call.received).body;
    assert.deepEqual([sent.hasBody, call.edge.bodies.held], [true, 70_000]);
    held.release();
    assert.equal(call.edge.bodies.held, 0);
    call.send(930_000);
    call.end();
    assert.equal(await readAll(body!), 1_000_000);
  });

  test("that is no longer than is awaited is handed over whole, and not before", async () => {
    const call = send(AWAITED_BYTES);
    call.send(AWAITED_BYTES - 1);
    await call.clock.advance(9_000);
    assert.equal(call.isHandedOver(), false);
    call.send(1);
    call.end();
    const { body, arriving } = (await call.received).body;
    assert.deepEqual([await readAll(body!), arriving], [AWAITED_BYTES, undefined]);

    const longer = send(AWAITED_BYTES + 1);
    longer.send(FIRST_PART_BYTES);
    assert.ok((await longer.received).body.arriving);
  });

  test("of unknown length is handed over a moment after its first bytes, however few", async () => {
    const call = send(undefined);
    await call.clock.advance(9_000);
    call.send(5);
    await call.clock.advance(249);
    assert.equal(call.isHandedOver(), false);
    await call.clock.advance(1);
    const { body } = (await call.received).body;
    call.end();
    assert.equal(await readAll(body!), 5);
  });

  test("of unknown length that ends within that moment travels with the call", async () => {
    const call = send(undefined);
    call.send(3);
    call.end();
    const { sent, body } = (await call.received).body;
    assert.deepEqual([sent.body, sent.hasBody, body], ["aaa", false, null]);
    assert.equal(call.clock.sleepers, 0);
  });

  test("that does not come is refused, and holds nothing", async () => {
    const call = send(1_000_000);
    const refused = assert.rejects(call.received, { code: "request_body_too_slow", status: 408 });
    call.send(1_000);
    await call.clock.advance(9_999);
    assert.equal(call.slow(), 0);
    await call.clock.advance(1);
    await refused;
    assert.deepEqual([call.slow(), call.edge.bodies.held, call.clock.sleepers], [1, 0, 0]);
  });

  test("for which there is no memory left is refused, and may be sent again", async () => {
    const call = send(1_000_000, { bodies: { function: 50_000, namespace: 90_000, all: 90_000 } });
    call.send(50_001);
    await assert.rejects(call.received, { code: "too_many_bodies", status: 503, retryAfterSeconds: 5 });
    assert.equal(call.edge.bodies.held, 0);
  });
});
