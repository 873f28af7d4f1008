import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { Bell } from "../../core/queue/transport.ts";
import { newId } from "../../core/store/ids.ts";
import { createRecording } from "../../test/support/recording.ts";
import type { EventOutcome } from "./event-intake.ts";
import { createEventReceiver, MAX_EVENT_BYTES } from "./event-receiver.ts";

/** A receiver on a port; `answer` says what became of the bell. */
async function openReceiver(t: TestContext, answer: (bell: Bell) => EventOutcome | Promise<EventOutcome>) {
  const taken = createRecording<Bell>("bell");
  const answered = createRecording<string>("answer");
  const receiver = createEventReceiver({
    async take(bell) {
      taken.add(bell);
      return await answer(bell);
    },
    onAnswer: (outcome) => answered.add(outcome),
  });
  const server = createServer(receiver).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const send = (init: RequestInit = {}) =>
    fetch(url, { method: "POST", headers: HEADERS, body: bellText(newId()), ...init });
  return { url, port, send, taken, answered };
}

const HEADERS = {
  "ce-specversion": "1.0",
  "ce-id": "partition:0/offset:1",
  "ce-source": "/apis/v1/namespaces/b/kafkasources/runs#bellhop.runs",
  "ce-type": "dev.knative.kafka.event",
};
/** Bytes: with a text `fetch` would send a content-type of its own. */
const bellText = (runId: string) => Buffer.from(JSON.stringify({ runId, availableAt: 0 }));

interface Problem {
  status: number;
  code: string;
  detail: string;
  errors?: { field: string }[];
}

async function readProblem(response: Response): Promise<Problem> {
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const problem = (await response.json()) as Problem;
  assert.equal(problem.status, response.status);
  return problem;
}

test("each outcome has its answer", async (t) => {
  let outcome: EventOutcome = "recorded";
  const { send, answered } = await openReceiver(t, () => outcome);
  const expected: [EventOutcome, number, string | undefined][] = [
    ["recorded", 204, undefined],
    ["not_waiting", 204, undefined],
    ["later", 202, undefined],
    ["long_run", 202, undefined],
    ["full", 429, "worker_full"],
    ["draining", 503, "worker_draining"],
    ["given_back", 503, "run_given_back"],
    ["failed", 503, "event_not_taken"],
  ];
  for (const [next, status, code] of expected) {
    outcome = next;
    const response = await send();
    assert.equal(response.status, status, next);
    assert.equal(response.headers.get("bellhop-event-outcome"), next);
    if (code === undefined) {
      assert.equal(await response.text(), "", "a body would be taken for an event in reply");
      continue;
    }
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal((await readProblem(response)).code, code);
  }
  assert.deepEqual(
    answered.items,
    expected.map(([next]) => next),
  );
});

test("a worker that stops lets its connections go, so that the sender comes to another one", async (t) => {
  let outcome: EventOutcome = "recorded";
  const { send } = await openReceiver(t, () => outcome);
  const kept = await send();
  assert.notEqual(kept.headers.get("connection"), "close");
  for (outcome of ["draining", "given_back"] as const) {
    const response = await send();
    assert.equal(response.headers.get("connection"), "close");
    await response.text();
  }
});

test("the response stays open until the event can be answered", async (t) => {
  const ended = Promise.withResolvers<EventOutcome>();
  const { send, taken } = await openReceiver(t, () => ended.promise);
  const runId = newId();
  let isAnswered = false;
  const sending = send({ body: bellText(runId) }).then((response) => {
    isAnswered = true;
    return response;
  });
  const [bell] = await taken.waitFor(() => true);
  assert.deepEqual(bell, { runId, availableAt: new Date(0) });
  await new Promise(setImmediate);
  assert.equal(isAnswered, false);
  ended.resolve("recorded");
  assert.equal((await sending).status, 204);
});

test("a client that goes away stops nothing", async (t) => {
  const ended = Promise.withResolvers<EventOutcome>();
  const { send, taken, answered } = await openReceiver(t, () => ended.promise);
  const leaving = new AbortController();
  const sending = send({ signal: leaving.signal });
  await taken.waitFor(() => true);
  leaving.abort();
  await assert.rejects(sending);
  ended.resolve("recorded");
  await answered.waitFor((outcome) => outcome === "recorded");
});

test("a client that goes away in the middle of its event is nobody's fault", async (t) => {
  const { port, send, taken, answered } = await openReceiver(t, () => "recorded");
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{");
  socket.destroy();
  assert.equal((await send()).status, 204);
  assert.equal(taken.items.length, 1);
  assert.deepEqual(answered.items, ["recorded"]);
});

test("what can never work is refused, names the field, and is not taken", async (t) => {
  const { send, taken, answered } = await openReceiver(t, () => "recorded");
  const { "ce-id": _id, ...withoutId } = HEADERS;
  const missing = await readProblem(await send({ headers: withoutId }));
  assert.deepEqual(
    [missing.status, missing.code, missing.errors?.[0]?.field],
    [400, "invalid_event", "ce-id"],
  );
  const noBell = await readProblem(await send({ body: Buffer.from("{}") }));
  assert.deepEqual(
    [noBell.status, noBell.code, noBell.errors?.[0]?.field],
    [422, "not_a_bell", "data.runId"],
  );
  const batch = await send({ headers: { "content-type": "application/cloudevents-batch+json" }, body: "[]" });
  const { status, detail } = await readProblem(batch);
  assert.equal(status, 415);
  assert.match(detail, /Batches/);
  assert.equal(taken.items.length, 0);
  assert.deepEqual(answered.items, ["refused", "refused", "refused"]);
});

test("what is too large is refused, whether it says its length or not", async (t) => {
  const { send, taken } = await openReceiver(t, () => "recorded");
  const body = Buffer.alloc(MAX_EVENT_BYTES + 1, "x");
  for (const given of [body, new Blob([body]).stream()]) {
    const response = await send({ body: given, duplex: "half" } as RequestInit);
    assert.equal((await readProblem(response)).code, "event_too_large");
    assert.equal(response.status, 413);
  }
  assert.equal((await send()).status, 204);
  assert.equal(taken.items.length, 1);
});

test("events are sent by POST to / and nowhere else", async (t) => {
  const { url, send, taken } = await openReceiver(t, () => "recorded");
  for (const method of ["GET", "PUT", "DELETE", "OPTIONS"]) {
    const response = await fetch(url, { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "POST");
    assert.equal((await readProblem(response)).code, "method_not_allowed");
  }
  assert.equal((await fetch(url, { method: "HEAD" })).status, 405);
  const elsewhere = await fetch(`${url}events`, {
    method: "POST",
    headers: HEADERS,
    body: bellText(newId()),
  });
  assert.equal((await readProblem(elsewhere)).code, "not_found");
  assert.equal(taken.items.length, 0);
  assert.equal(
    (await fetch(`${url}?a=b`, { method: "POST", headers: HEADERS, body: bellText(newId()) })).status,
    204,
  );
  void send;
});
