/** Runs of http tasks that their server completes later, through real roles: none of them holds a worker. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { createHttpSink, type HttpSink, type SinkRequest } from "../support/http-sink.ts";
import { type Cluster, readSample, startCluster } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

const LATER = { status: 202, headers: { "Bellhop-Complete": "later" } };

let sink: HttpSink;
let cluster: Cluster;

before(async () => {
  sink = await createHttpSink();
  cluster = await startCluster({
    ...{ schedulers: 1, workers: 0 },
    env: { BELLHOP_SECRETS_KEY: randomBytes(32).toString("hex") },
  });
});
after(async () => {
  await cluster?.stop();
  await sink?.close();
});
beforeEach(() => {
  sink.reply = () => LATER;
});

/** One with a single slot: a run that held it would keep the next one from running. */
const startWorker = (env: Record<string, string> = {}) =>
  cluster.startWorker({ WORKER_SLOTS: "1", BELLHOP_PUBLIC_URL: cluster.api.url, ...env });

interface Begun {
  runId: string;
  path: string;
}

async function runTask(fields: object = {}): Promise<Begun> {
  const path = `/${randomBytes(8).toString("hex")}`;
  const task = { type: "http", method: "POST", url: `${sink.url}${path}`, ...fields };
  const { runId } = await cluster.api.call<{ runId: string }>("POST", "/v1/tasks", task);
  return { runId, path };
}

/** The `attempt`th request for the run; from 1. */
async function requestOf({ path }: Begun, attempt = 1): Promise<SinkRequest> {
  return (await sink.waitFor(({ url }) => url === path, { count: attempt }))[attempt - 1]!;
}

async function say(request: SinkRequest, body: object) {
  const response = await fetch(String(request.headers["bellhop-complete-url"]), {
    method: "POST",
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as { state: string; code: string } };
}

type LaterRun = WireRun & { completeBy?: string };
const until = (what: string, { runId }: Begun, isSo: (run: LaterRun) => boolean) =>
  eventually(what, () => cluster.api.call<LaterRun>("GET", `/v1/runs/${runId}`), isSo);
const whenDeferred = (run: Begun) => until("put off", run, ({ completeBy }) => completeBy !== undefined);
const inState = (run: Begun, state: string) => until(state, run, (shown) => shown.state === state);

test("runs wait by the dozen beside one slot, also without any worker, and end as their servers say", async () => {
  const worker = await startWorker();
  const begun = await Promise.all(Array.from({ length: 12 }, () => runTask({ timeout: "1h" })));
  const requests = await Promise.all(begun.map((run) => requestOf(run)));
  for (const run of begun) assert.equal((await whenDeferred(run)).state, "running");
  worker.signal("SIGKILL");
  await worker.exited;
  for (const [index, request] of requests.entries()) {
    const { status, body } = await say(request, { result: index });
    assert.deepEqual([status, body.state], [200, "succeeded"]);
    const repeated = await say(request, { result: index });
    assert.deepEqual([repeated.status, repeated.body.code], [410, "attempt_over"]);
  }
  for (const [index, run] of begun.entries()) {
    const ended = await inState(run, "succeeded");
    assert.deepEqual([ended.result, ended.attempts.length], [index, 1]);
  }
  const count = (outcome: string) =>
    readSample(cluster.apiProcess, `bellhop_completions_total{outcome="${outcome}",role="api"}`);
  assert.deepEqual([await count("result"), await count("over")], [begun.length, begun.length]);
});

test("a failure is tried again, by another token, and what ends for good calls back", async () => {
  await startWorker();
  const hook = `/${randomBytes(8).toString("hex")}`;
  const run = await runTask({
    ...{ timeout: "1h", retry: { maxAttempts: 2, backoff: { initial: "1ms", jitter: false } } },
    on: { failure: [{ type: "http", url: `${sink.url}${hook}` }] },
  });
  const first = await requestOf(run);
  await whenDeferred(run);
  assert.equal((await say(first, { error: { message: "not yet" } })).body.state, "scheduled");
  const second = await requestOf(run, 2);
  assert.notEqual(second.headers["bellhop-complete-url"], first.headers["bellhop-complete-url"]);
  assert.equal((await say(first, { result: 1 })).status, 410);
  await until("put off again", run, ({ attempt, completeBy }) => attempt === 2 && completeBy !== undefined);
  assert.equal((await say(second, { error: { message: "never" } })).body.state, "dead");
  const [called] = await sink.waitFor(({ url }) => url === hook);
  assert.match(called!.body, /reported_failure/);
});

test("an answer may be overtaken by its completion", async () => {
  await startWorker();
  // Not before the call was taken is the request answered that it is about.
  sink.reply = async (request) => {
    assert.equal((await say(request, { result: "early" })).status, 200);
    return LATER;
  };
  const run = await runTask();
  const ended = await inState(run, "succeeded");
  assert.deepEqual([ended.result, ended.attempts.length], ["early", 1]);
  sink.reply = () => ({ status: 200 });
  await inState(await runTask(), "succeeded");
});

test("without a word in time the attempt fails, and a heartbeat puts that off", async () => {
  await startWorker();
  const retry = { maxAttempts: 1 };
  const [silent, beating] = [
    await runTask({ timeout: "5s", retry }),
    await runTask({ timeout: "1h", retry }),
  ];
  const { completeBy } = await whenDeferred(beating);
  const beat = await say(await requestOf(beating), { heartbeat: true });
  assert.deepEqual([beat.status, beat.body.state], [200, "running"]);
  const extended = await until("extended", beating, (run) => run.completeBy !== completeBy);
  assert.ok(Date.parse(extended.completeBy!) > Date.parse(completeBy!));
  const dead = await inState(silent, "dead");
  assert.equal(dead.error?.code, "completion_timeout");
  assert.equal((await say(await requestOf(silent), { result: 1 })).status, 410);
});

test("a cancel ends what waits at once, and its server hears of it when it calls", async () => {
  await startWorker();
  const run = await runTask({ timeout: "1h" });
  const request = await requestOf(run);
  await whenDeferred(run);
  const cancelled = await cluster.api.call<WireRun>("POST", `/v1/runs/${run.runId}/cancel`);
  assert.equal(cancelled.state, "cancelled");
  assert.equal((await say(request, { heartbeat: true })).status, 410);
});

test("a worker that dies before it has recorded the answer leaves a run that is tried again", async () => {
  for (const worker of cluster.workers.splice(0)) await worker.stop();
  // It is to be missed soon.
  const worker = await startWorker({ WORKER_LEASE: "1s" });
  const run = await runTask({ timeout: "1h", retry: { backoff: { initial: "1ms", jitter: false } } });
  sink.reply = async () => {
    worker.signal("SIGKILL");
    await worker.exited;
    return LATER;
  };
  const first = await requestOf(run);
  await worker.exited;
  sink.reply = () => LATER;
  await startWorker();
  const second = await requestOf(run, 2);
  await whenDeferred(run);
  assert.equal((await say(first, { result: "first" })).status, 410);
  assert.equal((await say(second, { result: "second" })).status, 200);
  const ended = await inState(run, "succeeded");
  assert.deepEqual([ended.result, ended.attempts[0]?.error?.code], ["second", "worker_lost"]);
});
