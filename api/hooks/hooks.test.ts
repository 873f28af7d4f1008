/** Webhooks: made, listed, removed; and called from outside. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { claimRuns } from "../../core/store/runs/claim.ts";
import { makeWorker } from "../../core/store/testing/samples.ts";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HOOKS = "/v1/functions/greet/hooks";

async function newTenant(limits = {}): Promise<TestCaller> {
  const tenant = await api.newTenant();
  const body = { source: `export default () => 1;`, limits, tag: "first" };
  assert.equal((await tenant.call("PUT", "/v1/functions/greet", { body })).status, 201);
  return tenant;
}

async function makeHook(tenant: TestCaller, body: Record<string, string | number> = {}) {
  const answer = await tenant.call("POST", HOOKS, { body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
}

/** As the outside does, without a key. */
const send = (path: string, body = "", headers: Record<string, string> = {}): Promise<Answer> =>
  api.anonymous.call("POST", path, { body, headers });

test("a hook shows its token once", async () => {
  const tenant = await newTenant();
  const { token, url, ...hook } = await makeHook(tenant, { name: "the shop", tag: "first" });
  assert.match(token, /^bhk_[\w-]{43}$/);
  assert.equal(url, `/hooks/${token}`);
  assert.deepEqual(Object.keys(hook).sort(), [
    ...[
      "concurrencyKey",
      "createdAt",
      "id",
      "maxAttempts",
      "name",
      "priority",
      "queue",
      "rate",
      "rateKey",
      "tag",
    ],
    "verify",
  ]);
  assert.deepEqual((await tenant.call("GET", HOOKS)).body, { items: [hook], nextCursor: null });
  const { rows } = await api.store.pool.query("SELECT * FROM function_hooks");
  assert.ok(!JSON.stringify(rows).includes(token.slice(4)));
});

test("the body of a call is counted until its run is recorded", async (t) => {
  const { url } = await makeHook(await newTenant());
  const heldAtWriting: number[] = [];
  const { pool } = api.store;
  const query = pool.query.bind(pool) as (...given: unknown[]) => unknown;
  t.mock.method(pool, "query", (...given: [{ name?: string }]) => {
    if (given[0].name === "enqueue-invocation") heldAtWriting.push(api.edge.bodies.held);
    return query(...given);
  });
  const body = "x".repeat(100_000);
  assert.equal((await send(url, body, { "content-length": String(body.length) })).status, 202);
  assert.deepEqual([heldAtWriting, api.edge.bodies.held], [[100_000], 0]);
});

test("a call queues a run with the request as it came", async () => {
  const tenant = await newTenant({ wallMs: 7_000 });
  const { url } = await makeHook(tenant);
  const body = '{"order": 7, "note": "caffè"}';
  const headers = {
    "x-signature": "sha256=ab",
    cookie: "a=b",
    authorization: "Bearer x",
    connection: "x-hop",
  };
  const answer = await send(`${url}?a=1&b=%20`, body, { ...headers, "x-hop": "1" });
  assert.deepEqual([answer.status, Object.keys(answer.body)], [202, ["runId"]]);
  const { runId } = answer.body;
  assert.equal(answer.headers.get("bellhop-run-id"), runId);
  const { body: run } = await tenant.call("GET", `/v1/runs/${runId}`);
  assert.deepEqual([run.trigger, run.state, run.function, run.taskId], ["hook", "queued", "greet", null]);
  assert.ok(api.bells.items.some((bell) => bell.runId === runId));
  const claimed = await api.start(runId);
  assert.deepEqual([claimed.trigger, claimed.policy.timeoutMs], ["hook", 7_100]);
  assert.ok(claimed.spec.type === "function");
  const { request } = claimed.spec.input as { request: Record<string, unknown> };
  assert.deepEqual([request["method"], request["url"]], ["POST", "http://localhost/?a=1&b=%20"]);
  assert.equal(Buffer.from(request["body"] as string, "base64").toString(), body);
  assert.deepEqual(Object.fromEntries(request["headers"] as [string, string][]), {
    "content-type": "application/json",
    "x-signature": "sha256=ab",
  });
});

test("a hook that is bound to a tag triggers that revision", async () => {
  const tenant = await newTenant();
  const { url } = await makeHook(tenant, { tag: "first" });
  const { body: free } = await tenant.call("POST", HOOKS);
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default 2" } });
  const { body: fn } = await tenant.call("GET", "/v1/functions/greet");
  const revisionOf = async (path: string) => (await api.start((await send(path)).body.runId)).revisionId;
  assert.equal(await revisionOf(url), fn.tags.first);
  assert.equal(await revisionOf(free.url), fn.revision.id);
});

test("its calls stand in the queue that it names, with its keys and its priority", async () => {
  const tenant = await newTenant();
  const place = { queue: "mail", concurrencyKey: "the shop", rateKey: "orders", priority: 80 };
  assertProblem(await tenant.call("POST", HOOKS, { body: place }), 422, "unknown_queue", ["queue"]);
  await tenant.call("PUT", "/v1/queues/mail", { body: { concurrency: 1 } });
  const hook = await makeHook(tenant, place);
  const { queue, concurrencyKey, rateKey, priority } = hook;
  assert.deepEqual({ queue, concurrencyKey, rateKey, priority }, place);
  const first = (await send(hook.url)).body.runId;
  const second = (await send(hook.url)).body.runId;
  const started = await api.start(first);
  assert.deepEqual(await claimRuns(api.store, await makeWorker(api.db), [second]), []);
  const { body: waits } = await tenant.call("GET", `/v1/runs/${second}`);
  assert.deepEqual([waits.queue, waits.priority, waits.waitingFor], ["mail", 80, "concurrency"]);
  await api.finish(started, { state: "succeeded", result: null });
  assertProblem(await tenant.call("DELETE", "/v1/queues/mail"), 409, "queue_in_use");
});

test("a queue that a hook names is not deleted, and is once the hook is gone", async () => {
  const tenant = await newTenant();
  await tenant.call("PUT", "/v1/queues/mail", { body: {} });
  const { id } = await makeHook(tenant, { queue: "mail" });
  const refused = await tenant.call("DELETE", "/v1/queues/mail");
  assertProblem(refused, 409, "queue_in_use");
  assert.match(refused.body.detail, new RegExp(`the hook ${id} of the function greet names it`));
  await tenant.call("DELETE", `${HOOKS}/${id}`);
  assert.equal((await tenant.call("DELETE", "/v1/queues/mail")).status, 204);
});

test("what cannot be is refused by its field, more than twenty by a 409", async () => {
  const tenant = await newTenant();
  for (const [body, field] of [
    [{ name: "" }, "name"],
    [{ name: "x".repeat(101) }, "name"],
    [{ tag: "none" }, "tag"],
    [{ token: "mine" }, "token"],
    [{ queue: "no name" }, "queue"],
    [{ concurrencyKey: "" }, "concurrencyKey"],
    [{ rateKey: "x".repeat(129) }, "rateKey"],
    [{ priority: 101 }, "priority"],
  ] as const) {
    assertProblem(await tenant.call("POST", HOOKS, { body }), 422, "invalid_input", [field]);
  }
  const answers = await Promise.all(Array.from({ length: 22 }, () => tenant.call("POST", HOOKS)));
  const refused = answers.filter(({ status }) => status !== 201);
  assert.equal(refused.length, 2);
  for (const answer of refused) assertProblem(answer, 409, "too_many_hooks");
});

test("a token that is unknown, gone, or of a removed function is a 404 that says no more", async () => {
  const tenant = await newTenant();
  const [gone, orphan] = [await makeHook(tenant), await makeHook(tenant)];
  assert.equal((await tenant.call("DELETE", `${HOOKS}/${gone.id}`)).status, 204);
  assertProblem(await tenant.call("DELETE", `${HOOKS}/${gone.id}`), 404, "not_found");
  assertProblem(await tenant.call("DELETE", `${HOOKS}/x`), 404, "not_found");
  await tenant.call("DELETE", "/v1/functions/greet");
  const before = await api.countRows();
  for (const path of [
    gone.url,
    orphan.url,
    `/hooks/bhk_${"a".repeat(43)}`,
    "/hooks/x",
    "/hooks",
    "/hooks/x/y",
  ]) {
    const answer = await send(path);
    assertProblem(answer, 404, "hook_not_found");
    assert.equal(answer.body.detail, "There is no such hook.");
  }
  assert.deepEqual(await api.countRows(), before);
});

test("other methods are a 405, too large a request a 413 or 431; nothing is queued", async () => {
  const tenant = await newTenant();
  const { url } = await makeHook(tenant);
  const before = await api.countRows();
  for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
    const answer = await api.anonymous.call(method, url);
    assertProblem(answer, 405, "method_not_allowed");
    assert.equal(answer.headers.get("allow"), "OPTIONS, POST");
  }
  assertProblem(await send(url, "x".repeat(1_000_001)), 413, "body_too_large");
  assertProblem(await send(url, "", { "x-long": "x".repeat(8_193) }), 431, "headers_too_large");
  assert.deepEqual(await api.countRows(), before);
  assert.equal((await send(url, "x".repeat(1_000_000))).status, 202);
});

test("hooks take the scope deploy, and nothing crosses namespaces", async () => {
  const tenant = await newTenant();
  const { id } = await makeHook(tenant);
  const reader = await api.newCaller(tenant.namespaceId, ["read", "write", "invoke"]);
  const stranger = await newTenant();
  assertProblem(await reader.call("POST", HOOKS), 403, "forbidden");
  assertProblem(await reader.call("DELETE", `${HOOKS}/${id}`), 403, "forbidden");
  assert.equal((await reader.call("GET", HOOKS)).body.items.length, 1);
  assertProblem(await stranger.call("DELETE", `${HOOKS}/${id}`), 404, "not_found");
  assertProblem(await stranger.call("DELETE", `${HOOKS}/${randomUUID()}`), 404, "not_found");
  assertProblem(await api.anonymous.call("POST", HOOKS), 401, "unauthenticated");
});
