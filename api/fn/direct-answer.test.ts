import assert from "node:assert/strict";
import { test } from "node:test";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { ArrivingBody } from "../bodies/arriving-body.ts";
import type { Caller } from "../calls/caller.ts";
import type { CallEvents } from "../direct/direct-caller.ts";
import { createEdge, EDGE_LIMITS } from "../edge/edge.ts";
import { answerDirectly } from "./direct-answer.ts";

const call: DirectCall = {
  ...{ runId: "r", namespaceId: "n", functionId: "f", functionName: "f", revisionId: "v" },
  isLimited: false,
  input: null,
};

/** A call whose worker the test plays, with a body that the test sends. */
function ask(given: Partial<Caller> = {}, breakOff?: (error: Error) => void) {
  const clock = createManualClock();
  const edge = createEdge(EDGE_LIMITS, clock, () => {});
  let sender!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      sender = controller;
    },
  });
  const said: string[] = [];
  let events!: CallEvents;
  const direct = {
    begin(_call: DirectCall, given: CallEvents) {
      events = given;
      events.onFeed({
        data: (bytes) => said.push(`data ${bytes.byteLength}`),
        end: () => said.push("end"),
        pull() {},
        leave: (cut) => said.push(`leave ${cut}`),
      });
    },
  };
  const caller: Caller = {
    ...{ isGone: false, hasLeft: false, isCut: false, onGone: () => () => {} },
    toSignal: () => new AbortController().signal,
    ...given,
  };
  const arriving = new ArrivingBody(body, edge);
  const answer = answerDirectly({ direct, edge, caller, breakOff }, call, { body: arriving, arriving });
  events.onAccepted();
  return { clock, answer, events, said, send: (bytes: number) => sender.enqueue(new Uint8Array(bytes)) };
}

test("a body that stops while its function runs is broken off, and its run is told why", async () => {
  const { clock, answer, said, send } = ask();
  send(3);
  await clock.advance(10_000);
  const answered = await answer;
  assert.ok(typeof answered === "object" && "broken" in answered);
  assert.equal(answered.broken.status, 408);
  assert.deepEqual(said, ["data 3", "leave request_body_too_slow"]);
});

test("once the response has begun either side may pause for a minute, and not longer", async () => {
  const { clock, answer, events, said, send } = ask();
  events.onHead({ status: 200, headers: [] });
  const answered = await answer;
  assert.ok(typeof answered === "object" && "body" in answered);
  const reader = answered.body.getReader();
  await clock.advance(59_000);
  send(1);
  await clock.advance(59_000);
  events.onData(Buffer.from("x"));
  assert.equal((await reader.read()).value?.byteLength, 1);
  await clock.advance(59_000);
  assert.deepEqual(said, ["data 1"]);
  await clock.advance(1_000);
  assert.deepEqual(said, ["data 1", "leave request_body_too_slow"]);
  await assert.rejects(reader.read(), { code: "request_body_too_slow" });
});

test("who was cut off for not reading is told apart from who left", async () => {
  for (const [isCut, word] of [
    [true, "leave response_not_taken"],
    [false, "leave undefined"],
  ] as const) {
    const { answer, events, said } = ask({ isCut });
    events.onHead({ status: 200, headers: [] });
    const answered = await answer;
    assert.ok(typeof answered === "object" && "body" in answered);
    await answered.body.cancel();
    assert.deepEqual(said, [word]);
  }
});

test("a response of more or fewer bytes than its head says is broken off, by the connection where there is one", async () => {
  const head = { status: 200, headers: [["content-length", "3"]] as [string, string][] };
  for (const [bytes, message] of [
    ["four", "the function gave more than its content-length"],
    ["ab", "the function gave less than its content-length"],
  ] as const) {
    const broken: string[] = [];
    const { answer, events } = ask({}, (error) => broken.push(error.message));
    events.onHead(head);
    const answered = await answer;
    assert.ok("body" in answered);
    events.onData(Buffer.from(bytes));
    events.onEnd();
    assert.deepEqual(broken, [message]);
    await answered.body.cancel();

    const { answer: other, events: others } = ask();
    others.onHead(head);
    const unbound = await other;
    assert.ok("body" in unbound);
    others.onData(Buffer.from(bytes));
    others.onEnd();
    await assert.rejects(new Response(unbound.body).arrayBuffer(), { message });
  }
});
