/** Who waited for a worker may not call any more by the time one comes, or has to wait for the queue. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { BellhopError } from "../../core/errors.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { createWaitingLine } from "../direct/waiting-line.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const SOURCE = { source: "export default { fetch: () => new Response('hello') };" };
const WAIT_MS = { busy: 10_000, no_worker: 30_000 };

const api = await openApi();

/** A function, and a line before workers of which none stands until `come`. */
async function open(given: { public?: boolean } = {}) {
  const clock = createManualClock();
  const handedOver: DirectCall[] = [];
  const waiting = createRecording<number>("count of who waits");
  let stands = false;
  const line = createWaitingLine(
    {
      begin(call, events) {
        if (!stands) return events.onNone("no_worker");
        handedOver.push(call);
        events.onDone({ state: "succeeded", result: { status: 200, body: "hello" } });
      },
    },
    {
      ...{ clock, waitMs: WAIT_MS, limits: { function: 9, namespace: 9, all: 9 } },
      onCount: (count) => waiting.add(count),
    },
  );
  api.parts.direct = line;
  const owner = await api.newTenant();
  await owner.call("PUT", "/v1/functions/greet", { body: { ...SOURCE, ...given } });
  const { rows } = await sql<{ name: string }>`
    SELECT name FROM namespaces WHERE id = ${owner.namespaceId}`.execute(api.db);
  const namespace = rows[0]!.name;
  const path = `/fn/${namespace}/greet`;
  return {
    ...{ clock, owner, namespace, path, handedOver },
    /** A caller who waits by now. */
    async wait(caller: TestCaller) {
      const answer = caller.call("GET", path);
      await waiting.waitFor((count) => count === 1);
      return { answer };
    },
    come() {
      stands = true;
      line.offerAll();
    },
  };
}

const knowsNoPublic = (namespace: string) =>
  until(async () => (await api.parts.callables.findPublic(namespace, "greet")) === undefined || undefined);

test("whoever may still call is handed to the worker that comes", async () => {
  const { wait, come, handedOver, owner } = await open();
  const { answer } = await wait(owner);
  come();
  assert.equal((await answer).body, "hello");
  assert.equal(handedOver.length, 1);
});

test("while the database does not tell who may call, who waits waits on", async (t) => {
  const { wait, come, clock, handedOver, owner } = await open();
  const { answer } = await wait(owner);
  const asked = createRecording<string>("look-up");
  const finding = t.mock.method(api.parts.keyring, "findOwner", async () => {
    asked.add("owner");
    throw Object.assign(new Error("the database is away"), { code: "57P01" });
  });
  come();
  await asked.waitFor(() => true);
  assert.deepEqual(handedOver, []);
  finding.mock.restore();
  await until(async () => {
    await clock.advance(100);
    return handedOver.length === 1 || undefined;
  });
  assert.equal((await answer).body, "hello");
});

test("a key that was revoked meanwhile opens nothing", async () => {
  const { wait, come, handedOver, owner } = await open();
  const caller = await api.newCaller(owner.namespaceId, ["invoke"]);
  const { answer } = await wait(caller);
  const { items } = (await owner.call("GET", "/v1/keys")).body;
  const { id } = items.find(({ scopes }: { scopes: string[] }) => scopes[0] === "invoke");
  await owner.call("DELETE", `/v1/keys/${id}`);
  await until(async () => (await api.parts.keyring.findOwner(caller.key!)) === undefined || undefined);
  come();
  assertProblem(await answer, 401, "unauthenticated");
  assert.deepEqual(handedOver, []);
});

test("a function that was made private meanwhile is not a stranger's to call", async () => {
  const { wait, come, handedOver, owner, namespace } = await open({ public: true });
  const { answer } = await wait(api.anonymous);
  await owner.call("PUT", "/v1/functions/greet", { body: { ...SOURCE, public: false } });
  await knowsNoPublic(namespace);
  come();
  assertProblem(await answer, 401, "unauthenticated");
  assert.deepEqual(handedOver, []);
});

test("a function that was removed meanwhile is not called, nor is another of its name in its place", async () => {
  for (const isReplaced of [false, true]) {
    const { wait, come, handedOver, owner, namespace } = await open();
    const { answer } = await wait(owner);
    const before = await api.parts.callables.find(namespace, "greet");
    await owner.call("DELETE", "/v1/functions/greet");
    if (isReplaced) await owner.call("PUT", "/v1/functions/greet", { body: SOURCE });
    await until(async () => {
      const known = await api.parts.callables.find(namespace, "greet");
      return known?.id !== before!.id || undefined;
    });
    come();
    assertProblem(await answer, 404, "not_found");
    assert.deepEqual(handedOver, []);
  }
});

test("who waited in vain is not queued either, where the call is not allowed any more", async () => {
  const { wait, clock, owner, namespace } = await open({ public: true });
  const { answer } = await wait(api.anonymous);
  await owner.call("PUT", "/v1/functions/greet", { body: { ...SOURCE, public: false } });
  await knowsNoPublic(namespace);
  const rung = api.bells.items.length;
  await clock.advance(WAIT_MS.no_worker);
  assertProblem(await answer, 401, "unauthenticated");
  assert.equal(api.bells.items.length, rung);
});

test("a limit that came meanwhile is told to a stranger without its numbers", async (t) => {
  const refuse = async () => {
    const field = { field: "runsPerDay", message: "is 7" };
    throw new BellhopError("rate_limited", 429, "The namespace has had its 7 runs.", [field], 60);
  };
  for (const [given, fields] of [
    [{ public: true }, []],
    [{}, ["runsPerDay"]],
  ] as const) {
    const { wait, clock, owner } = await open(given);
    const { answer } = await wait("public" in given ? api.anonymous : owner);
    const counting = t.mock.method(api.parts.daily, "counting", refuse);
    await clock.advance(WAIT_MS.no_worker);
    const refused = await answer;
    counting.mock.restore();
    assertProblem(refused, 429, "rate_limited", [...fields]);
    assert.equal(/7/.test(JSON.stringify(refused.body)), !("public" in given));
    assert.equal(refused.headers.get("retry-after"), "60");
  }
});

test("where the queue was limited meanwhile the call waits there, and passes nobody", async () => {
  const { wait, come, handedOver, owner, namespace } = await open();
  const { answer } = await wait(owner);
  await owner.call("PUT", "/v1/queues/default", { body: { concurrency: 1 } });
  await until(
    async () => (await api.parts.callables.find(namespace, "greet"))?.isDefaultLimited || undefined,
  );
  const rung = api.bells.items.length;
  come();
  const bell = (await api.bells.waitFor(() => true, { count: rung + 1 })).at(-1)!;
  assert.deepEqual(handedOver, []);
  await owner.call("POST", `/v1/runs/${bell.runId}/cancel`);
  assertProblem(await answer, 409, "run_cancelled");
});
