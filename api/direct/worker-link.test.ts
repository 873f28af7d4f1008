/** The API's end and the worker's end of a connection cannot meet in a test of one role: the worker's is played here. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import {
  DIRECT_PROTOCOL,
  type DirectAsk,
  type DirectCall,
  type DirectOutcome,
  type DirectSay,
  INPUTS_AS_PAYLOADS,
  MAX_DIRECT_FRAME_BYTES,
  PAYLOADS_HEADER,
} from "../../core/contracts/direct-call.ts";
import type { Run } from "../../core/contracts/run.ts";
import { OUTCOME_UNKNOWN, WORKER_LOST } from "../../core/domain/run-errors.ts";
import { encodeFrame, FrameDecoder, splitFrame } from "../../core/frames.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { createDirectCaller } from "./direct-caller.ts";
import { createLostCalls } from "./lost-calls.ts";
import type { WorkerDirectory } from "./worker-directory.ts";
import { type HeldCallers, WorkerLink } from "./worker-link.ts";

const TOKEN = "token";
const NOBODY: HeldCallers = { apiId: "api", meet: () => false };
const call: DirectCall = {
  ...{ runId: "run-1", namespaceId: "ns", functionId: "fn", functionName: "f", revisionId: "rev" },
  isLimited: false,
  input: null,
};

/** A worker that says what the test tells it. */
/** @param takes what it says of payloads, if anything */
async function startWorker(t: TestContext, id = "worker-1", takes?: string) {
  const asks = createRecording<DirectAsk>("ask");
  const payloads: (string | undefined)[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((_request, response) => response.writeHead(404).end());
  server.on("upgrade", (request, socket: Socket) => {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      return;
    }
    const more = takes ? `${PAYLOADS_HEADER}: ${takes}\r\n` : "";
    socket.write(
      `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: ${DIRECT_PROTOCOL}\r\n${more}\r\n`,
    );
    const decoder = new FrameDecoder(MAX_DIRECT_FRAME_BYTES, (text) => {
      const { json, payload } = splitFrame(text);
      asks.add(JSON.parse(json));
      payloads.push(payload);
    });
    socket.on("data", (chunk: Buffer) => decoder.push(chunk));
    socket.on("error", () => {});
    sockets.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    facts: { id, address, callToken: TOKEN, slots: 2, isDraining: false, leaseMs: 15_000, isLapsed: false },
    asks,
    /** Of each ask. */
    payloads,
    say: (message: DirectSay, payload?: string) =>
      sockets.at(-1)!.write(encodeFrame(message, MAX_DIRECT_FRAME_BYTES, payload)),
    drop: () => sockets.at(-1)!.destroy(),
    socket: () => sockets.at(-1)!,
  };
}

/** What a caller hears, as words. */
function listenTo() {
  const heard = createRecording<string>("word");
  return {
    heard,
    events: {
      onFeed() {},
      onAccepted: () => heard.add("accepted"),
      onHead: ({ status }: { status: number }) => heard.add(`head ${status}`),
      onData: (bytes: Buffer) => heard.add(`data ${bytes}`),
      onEnd: () => heard.add("end"),
      onPull: (bytes: number) => heard.add(`pull ${bytes}`),
      onDone: ({ state }: { state: string }) => heard.add(`done ${state}`),
      onNone: () => heard.add("none"),
      onLost: (end?: DirectOutcome) => heard.add(end ? `lost ${end.state}` : "lost"),
    },
  };
}

/** A directory of these connections, in this order. */
const directoryOf = (links: WorkerLink[], avoided: WorkerLink[] = []): WorkerDirectory => ({
  choose: (_revisionId, not) => links.find((link) => !not.has(link)),
  chooseEmptiest: (_call, not) => links.find((link) => !not.has(link)),
  isFull: () => false,
  isQueueOnly: () => false,
  meetsCallers: async () => true,
  onOpened() {},
  avoid: (link) => void avoided.push(link),
  close() {},
});

test("a call goes to the worker and its words come back, in both directions", async (t) => {
  const worker = await startWorker(t);
  const link = await WorkerLink.open(worker.facts, NOBODY, () => {});
  t.after(() => link.close());
  const { heard, events } = listenTo();
  const feed = link.call(call, { ...events, onRefused() {} });
  await worker.asks.waitFor(({ t: kind }) => kind === "call");
  assert.equal(link.inFlight, 1);
  feed.data(Buffer.from("body"));
  feed.end();
  feed.pull(5);
  feed.leave();
  await worker.asks.waitFor(({ t: kind }) => kind === "leave");
  assert.deepEqual(
    worker.asks.items.map(({ t: kind }) => kind),
    ["call", "data", "end", "pull", "leave"],
  );
  worker.say({ t: "accepted", no: 1 });
  worker.say({ t: "head", no: 1, head: { status: 200, headers: [] } });
  worker.say({ t: "data", no: 1, base64: Buffer.from("hi").toString("base64") });
  worker.say({ t: "end", no: 1 });
  worker.say({ t: "done", no: 1, outcome: { state: "succeeded", result: null } });
  worker.say({ t: "data", no: 1, base64: "" });
  await heard.waitFor((word) => word === "done succeeded");
  assert.deepEqual(heard.items, ["accepted", "head 200", "data hi", "end", "done succeeded"]);
  assert.equal(link.inFlight, 0);
});

test("a short body goes beside the call where the worker takes it so, and within it where that is of the release before", async (t) => {
  const http = { method: "POST", url: "http://a/", headers: [], hasBody: false, body: '{"a":1}' };
  const links: WorkerLink[] = [];
  t.after(() => links.map((link) => link.close()));
  for (const takesPayloads of [true, false]) {
    const worker = await startWorker(t, "worker-1", takesPayloads ? "1" : undefined);
    const link = await WorkerLink.open(worker.facts, NOBODY, () => {});
    links.push(link);
    const ended = Promise.withResolvers<DirectOutcome>();
    const { events } = listenTo();
    link.call({ ...call, http }, { ...events, onRefused() {}, onDone: ended.resolve });
    const [ask = assert.fail()] = await worker.asks.waitFor(({ t: kind }) => kind === "call");
    const { body: _, ...withoutBody } = http;
    assert.deepEqual(ask.t === "call" && ask.call.http, takesPayloads ? withoutBody : http);
    assert.deepEqual(worker.payloads, [takesPayloads ? http.body : undefined]);
    const result = { status: 200, headers: [], body: takesPayloads ? "" : "answer" };
    const outcome: DirectOutcome = { state: "succeeded", result };
    worker.say({ t: "done", no: 1, outcome }, takesPayloads ? "answer" : undefined);
    assert.deepEqual(await ended.promise, { state: "succeeded", result: { ...result, body: "answer" } });
  }
});

test("a long input goes beside the call where the worker takes it so, and within it otherwise", async (t) => {
  const inputs = { long: { text: "x".repeat(2_000) }, short: { a: 1 } };
  const links: WorkerLink[] = [];
  t.after(() => links.map((link) => link.close()));
  for (const takes of [INPUTS_AS_PAYLOADS, "1", undefined]) {
    const worker = await startWorker(t, "worker-1", takes);
    const link = await WorkerLink.open(worker.facts, NOBODY, () => {});
    links.push(link);
    const { events } = listenTo();
    for (const input of Object.values(inputs)) link.call({ ...call, input }, { ...events, onRefused() {} });
    await worker.asks.waitFor((ask) => ask.t === "call" && ask.no === 2);
    const sent = worker.asks.items.map((ask) => ask.t === "call" && ask.call.input);
    const isBeside = takes === INPUTS_AS_PAYLOADS;
    assert.deepEqual(sent, [isBeside ? null : inputs.long, inputs.short]);
    assert.deepEqual(worker.payloads, [isBeside ? JSON.stringify(inputs.long) : undefined, undefined]);
  }
});

test("a worker that knows another token, or is not there, is told apart from one that is", async (t) => {
  const { facts } = await startWorker(t);
  await assert.rejects(
    WorkerLink.open({ ...facts, callToken: "other" }, NOBODY, () => {}),
    /answered 401/,
  );
  await assert.rejects(
    WorkerLink.open({ ...facts, address: "127.0.0.1:1" }, NOBODY, () => {}),
    /ECONNREFUSED/,
  );
});

test("who refuses has done nothing: the next one is asked; without a permit nobody is", async (t) => {
  const [first, second] = [await startWorker(t, "a"), await startWorker(t, "b")];
  const links = [
    await WorkerLink.open(first.facts, NOBODY, () => {}),
    await WorkerLink.open(second.facts, NOBODY, () => {}),
  ];
  t.after(() => links.map((link) => link.close()));
  const avoided: WorkerLink[] = [];
  const caller = createDirectCaller(directoryOf(links, avoided), () => assert.fail("nothing was lost"));
  const { heard, events } = listenTo();
  caller.begin(call, events);
  await first.asks.waitFor(() => true);
  first.say({ t: "refused", no: 1, reason: "draining" });
  await second.asks.waitFor(() => true);
  assert.deepEqual(avoided, [links[0]]);
  second.say({ t: "refused", no: 1, reason: "busy" });
  await heard.waitFor((word) => word === "none");
  const full = listenTo();
  caller.begin({ ...call, runId: "run-2" }, full.events);
  await first.asks.waitFor((ask) => ask.t === "call" && ask.call.runId === "run-2");
  first.say({ t: "refused", no: 2, reason: "no_room" });
  await full.heard.waitFor((word) => word === "none");
  assert.equal(second.asks.items.length, 1);
});

const RUN: Run = {
  ...{ queue: "default", concurrencyKey: null, rateKey: null, priority: 50, waitingFor: null },
  ...{ id: "run-1", namespaceId: "ns", taskId: null, type: "function", trigger: "invoke", functionName: "f" },
  ...{ revisionId: "rev", state: "failed", attempt: 1, scheduledFor: new Date(0), queuedAt: new Date(0) },
  ...{ startedAt: new Date(0), finishedAt: new Date(0), availableAt: new Date(0), workerId: "worker-1" },
  ...{ result: null, error: WORKER_LOST, attempts: [], traceId: null, skipped: null },
  expectation: null,
  ...{ completeBy: null, replayOf: null, callbackOf: null },
};

/** What ends lost calls, played by the test: it fails, or answers the run, as often as is asked. */
function openLostCalls(answers: (Run | undefined | Error)[]) {
  const clock = createManualClock();
  const asked = createRecording<string>("lost call");
  const lostCalls = createLostCalls(
    async (workerId, { runId, verdict }) => {
      assert.equal(verdict.state, "failed");
      asked.add(`${workerId} ${runId}`);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
    clock,
    () => {},
  );
  return { clock, asked, lostCalls };
}

test("a connection that breaks loses its calls, once; their runs are ended before their callers are told", async (t) => {
  const worker = await startWorker(t);
  let isClosed = false;
  const link = await WorkerLink.open(worker.facts, NOBODY, () => {
    isClosed = true;
  });
  const { clock, asked, lostCalls } = openLostCalls([new Error("no database"), RUN]);
  const caller = createDirectCaller(directoryOf([link]), lostCalls.settle);
  const { heard, events } = listenTo();
  caller.begin(call, events);
  await worker.asks.waitFor(() => true);
  worker.drop();
  await asked.waitFor(() => true);
  await clock.advance(499);
  assert.deepEqual(heard.items, []);
  await clock.advance(1);
  await heard.waitFor(() => true);
  assert.deepEqual(heard.items, ["lost failed"]);
  assert.deepEqual(asked.items, ["worker-1 run-1", "worker-1 run-1"]);
  assert.equal(isClosed, true);
  await lostCalls.flush();
});

test("a caller hears what is recorded, though its worker is lost", async (t) => {
  const worker = await startWorker(t);
  const link = await WorkerLink.open(worker.facts, NOBODY, () => {});
  t.after(() => link.close());
  const { lostCalls } = openLostCalls([{ ...RUN, state: "succeeded", error: null, result: 1 }]);
  const caller = createDirectCaller(directoryOf([link]), lostCalls.settle);
  const { heard, events } = listenTo();
  caller.begin(call, events);
  await worker.asks.waitFor(() => true);
  // The worker itself may say that the run is not its own any more.
  worker.say({ t: "lost", no: 1 });
  await heard.waitFor(() => true);
  assert.deepEqual(heard.items, ["lost succeeded"]);
  assert.equal(link.inFlight, 0);
});

test("a database that does not answer keeps a caller for five seconds, and is asked on", async () => {
  const { clock, asked, lostCalls } = openLostCalls([new Error("no database")]);
  const told = lostCalls.settle(call, "worker-1");
  await clock.advance(4_999);
  let outcome: DirectOutcome | undefined;
  void told.then((end) => {
    outcome = end;
  });
  assert.equal(outcome, undefined);
  await clock.advance(1);
  assert.deepEqual(await told, { state: "failed", error: OUTCOME_UNKNOWN });
  const before = asked.items.length;
  await clock.advance(1_000);
  assert.ok(asked.items.length > before);
  await lostCalls.flush();
});

test("an API that stops leaves its calls to their worker: they are not lost", async (t) => {
  const worker = await startWorker(t);
  const link = await WorkerLink.open(worker.facts, NOBODY, () => {});
  const caller = createDirectCaller(directoryOf([link]), () => assert.fail("nothing was lost"));
  const { heard, events } = listenTo();
  caller.begin(call, events);
  await worker.asks.waitFor(() => true);
  const gone = once(worker.socket(), "end");
  link.close();
  await gone;
  assert.deepEqual(heard.items, []);
});
