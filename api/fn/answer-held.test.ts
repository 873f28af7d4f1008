/** Callers whose runs are queued, held for the worker that claims the run; the worker's part is played here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import type { HeldRequestInput } from "../../core/domain/stored-request.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import { createApp } from "../app.ts";
import type { LinkEvents } from "../direct/worker-link.ts";
import { openApi } from "../testing/open-api.ts";

const LONG_BYTES = 300_000;
const api = await openApi({ holdsCallers: true });

/** A call that is queued, and workers that ask for its caller. */
async function beginCall(init: RequestInit = {}, app = api.app) {
  const tenant = await api.newTenant();
  const body = { source: "export default () => null;", public: true };
  await tenant.call("PUT", "/v1/functions/held", { body });
  const { name } = await api.db
    .selectFrom("namespaces")
    .select("name")
    .where("id", "=", tenant.namespaceId)
    .executeTakeFirstOrThrow();
  const leaving = new AbortController();
  const rung = api.bells.items.length;
  const url = `http://localhost/fn/${name}/held`;
  const request = new Request(url, { signal: leaving.signal, ...init });
  const answer = Promise.resolve(app.request(request));
  const runId = (await api.bells.waitFor(() => true, { count: rung + 1 })).at(-1)!.runId;
  const said: string[] = [];
  let call: DirectCall | undefined;
  let events: LinkEvents | undefined;
  const ask = () =>
    api.parts.held.meet(runId, (given, heard) => {
      [call, events] = [given, heard];
      return {
        ...{ data: (bytes) => said.push(`${bytes.byteLength} bytes`), end: () => said.push("end") },
        ...{ pull() {}, leave: () => said.push("left") },
      };
    });
  return {
    ...{ tenant, url, runId, answer, ask, said, leave: () => leaving.abort() },
    worker: () => ({ call: call!, ...events! }),
    stateOf: async () => (await tenant.call("GET", `/v1/runs/${runId}`)).body.state as string,
    async input() {
      const { rows } = await api.store.pool.query("SELECT input FROM task_runs_open WHERE id = $1", [runId]);
      return rows[0].input as HeldRequestInput;
    },
  };
}

test("a short request is in its row; its caller is handed over once, and the response streams", async () => {
  const { answer, ask, worker, input } = await beginCall({
    ...{ method: "POST", body: "hello", headers: { "content-length": "5" } },
  });
  const { caller, request } = await input();
  assert.deepEqual([caller, request.method], [api.parts.held.apiId, "POST"]);
  assert.equal(Buffer.from(request.body!, "base64").toString(), "hello");
  assert.ok(ask());
  assert.ok(!ask(), "it was handed over twice");
  const { call, onHead, onData, onEnd, onDone } = worker();
  assert.deepEqual([call.isClaimed, call.http], [true, undefined]);
  onHead({ status: 201, headers: [["x-a", "b"]] });
  const response = await answer;
  onData(Buffer.from("streamed"));
  onEnd();
  onDone({ state: "succeeded", result: { status: 201, bodyBytes: 8 } });
  assert.deepEqual([response.status, response.headers.get("x-a")], [201, "b"]);
  assert.equal(await response.text(), "streamed");
  assert.equal(api.edge.queued.held, 0);
});

test("one that is given back, or lost before anything went over, is handed to the next worker", async () => {
  const { answer, ask, worker } = await beginCall();
  assert.ok(ask());
  worker().onRefused("busy");
  assert.ok(ask());
  worker().onLost();
  assert.ok(ask());
  worker().onDone({ state: "succeeded", result: { status: 200, headers: [], body: "third" } });
  assert.equal(await (await answer).text(), "third");
});

test("one that is lost after its response began breaks off, and is nobody else's", async () => {
  const { answer, ask, worker } = await beginCall();
  ask();
  worker().onHead({ status: 200, headers: [] });
  const response = await answer;
  worker().onLost();
  await assert.rejects(response.text());
  assert.ok(!ask());
});

test("whoever leaves before is nobody's, and its run is cancelled; after that its worker is told", async () => {
  const before = await beginCall();
  before.leave();
  await before.answer;
  assert.deepEqual([await before.stateOf(), before.ask()], ["cancelled", false]);
  const after = await beginCall();
  after.ask();
  after.leave();
  await after.answer;
  assert.deepEqual([await after.stateOf(), after.said], ["queued", ["left"]]);
  // A worker that did not take it: nobody waits for the run any more.
  after.worker().onRefused("busy");
  assert.ok(!after.ask());
});

test("whoever is lost before anything went over hears what the row holds; of a response that was sent, that it is lost", async () => {
  const lost = async (result: Json) => {
    const { answer, ask, worker, runId } = await beginCall();
    ask();
    worker().onLost();
    await api.work(runId, { state: "succeeded", result });
    return await answer;
  };
  const whole = await lost({ status: 203, headers: [], body: "whole", isBase64: false });
  assert.deepEqual([whole.status, await whole.text()], [203, "whole"]);
  assert.equal((await lost({ status: 200, bodyBytes: 5 })).status, 502);
});

test("an API that goes on keeps nothing of callers that left, were given back, or could not be queued", async () => {
  const lettingGo = new LazyAbort();
  const kept = new Set<() => void>();
  const { onAbort } = lettingGo;
  lettingGo.onAbort = (act) => {
    kept.add(act);
    const forget = onAbort.call(lettingGo, act);
    return () => {
      kept.delete(act);
      forget();
    };
  };
  const app = createApp({ ...api.parts, lettingGo });
  const unmet = await beginCall({}, app);
  assert.equal(kept.size, 1);
  unmet.leave();
  await unmet.answer;
  assert.equal(kept.size, 0);
  const met = await beginCall({}, app);
  met.ask();
  met.leave();
  await met.answer;
  met.worker().onRefused("busy");
  assert.equal(kept.size, 0);
  const counting = () => Promise.reject(new BellhopError("daily_runs_exceeded", 429, "enough"));
  const refusing = createApp({ ...api.parts, lettingGo, daily: { ...api.parts.daily, counting } });
  assert.equal((await refusing.request(met.url)).status, 429);
  assert.equal(kept.size, 0);
});

test("a call that its worker had begun and lost is not said to be one to try again", async () => {
  const lettingGo = new LazyAbort();
  const headers = { "content-length": String(LONG_BYTES) };
  const { answer, ask, worker } = await beginCall(
    { method: "POST", body: "x".repeat(LONG_BYTES), headers },
    createApp({ ...api.parts, lettingGo }),
  );
  ask();
  worker().onAccepted();
  worker().onLost();
  lettingGo.abort();
  const told = await answer;
  assert.deepEqual([told.status, ((await told.json()) as { code: string }).code], [503, "outcome_unknown"]);
});

test("where the run ends without its caller its row tells", async () => {
  const { answer, runId } = await beginCall();
  const result = { status: 203, headers: [], body: "whole", isBase64: false };
  await api.work(runId, { state: "succeeded", result });
  const response = await answer;
  assert.deepEqual([response.status, await response.text()], [203, "whole"]);
});

test("a long request waits unread, and flows to the worker that asks for it", async () => {
  const headers = { "content-length": String(LONG_BYTES) };
  const { answer, ask, worker, input, said } = await beginCall({
    ...{ method: "POST", body: "x".repeat(LONG_BYTES), headers },
  });
  assert.deepEqual(Object.keys((await input()).request), ["url", "method"]);
  ask();
  const { call, onAccepted, onPull, onDone } = worker();
  assert.equal(call.http?.hasBody, true);
  onAccepted();
  onPull(LONG_BYTES);
  while (said.at(-1) !== "end") await new Promise((resolve) => setImmediate(resolve));
  const bytes = said.slice(0, -1).reduce((sum, part) => sum + Number.parseInt(part, 10), 0);
  assert.equal(bytes, LONG_BYTES);
  onDone({ state: "succeeded", result: { status: 204, headers: [], body: "" } });
  assert.equal((await answer).status, 204);
  assert.equal(api.edge.bodies.held, 0);
});

test("a call that waits too long goes on where its row holds the request, else it is cancelled", async () => {
  let nowMs = Date.now();
  const app = createApp({
    ...api.parts,
    clock: { ...systemClock, now: () => new Date(nowMs) },
    waiter: {
      count: 0,
      expect: () => ({
        async next(maxMs) {
          nowMs += maxMs;
        },
        forget() {},
      }),
    },
  });
  const short = await beginCall({}, app);
  assert.deepEqual([(await short.answer).status, await short.stateOf()], [504, "queued"]);
  const headers = { "content-length": String(LONG_BYTES) };
  const long = await beginCall({ method: "POST", body: "x".repeat(LONG_BYTES), headers }, app);
  assert.deepEqual([(await long.answer).status, await long.stateOf()], [503, "cancelled"]);
});

test("a call that is given back before its run is known to be recorded has a deadline all the same", async () => {
  for (const isKnownLater of [true, false]) {
    let nowMs = Date.now();
    let giveBack = () => {};
    const waits: number[] = [];
    const { daily, held } = api.parts;
    const app = createApp({
      ...api.parts,
      clock: { ...systemClock, now: () => new Date(nowMs) },
      daily: {
        ...daily,
        async counting(scope, namespaceId, make) {
          const made = await daily.counting(scope, namespaceId, make);
          giveBack();
          if (isKnownLater) return made;
          throw new Error("the answer was lost");
        },
      },
      held: {
        ...held,
        hold(runId, meet) {
          giveBack = () =>
            meet((_call, { onRefused }) => {
              queueMicrotask(() => onRefused("busy"));
              return { data() {}, end() {}, pull() {}, leave() {} };
            });
          return held.hold(runId, meet);
        },
      },
      waiter: {
        count: 0,
        expect: () => ({
          async next(maxMs) {
            waits.push(maxMs);
            nowMs += maxMs;
          },
          forget() {},
        }),
      },
    });
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/functions/held", {
      body: { source: "export default () => 1", public: true },
    });
    const { name } = await api.db
      .selectFrom("namespaces")
      .select("name")
      .where("id", "=", tenant.namespaceId)
      .executeTakeFirstOrThrow();
    assert.equal((await app.request(`http://localhost/fn/${name}/held`)).status, 504);
    assert.ok(waits.length > 0 && waits.every(Number.isFinite), String(waits));
  }
});

test("an API that stops cancels what only it could go on with, and says so", async () => {
  const headers = { "content-length": String(LONG_BYTES) };
  const long = await beginCall({ method: "POST", body: "x".repeat(LONG_BYTES), headers });
  const short = await beginCall();
  api.stopServing();
  const refused = await long.answer;
  assert.deepEqual([refused.status, await long.stateOf()], [503, "cancelled"]);
  assert.equal(((await refused.json()) as { code: string }).code, "function_busy");
  assert.deepEqual([(await short.answer).status, await short.stateOf()], [504, "queued"]);
});
