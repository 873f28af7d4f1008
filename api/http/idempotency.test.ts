/** Requests that are sent again with their `Idempotency-Key`. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { apiFeatures } from "../features.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const routes = apiFeatures(DEFAULT_SETTINGS).flatMap((feature) => feature.routes);
const INVOKE = "/v1/functions/greet/invoke";
const HTTP = { type: "http", url: "https://example.com/" };
const ASYNC = { prefer: "respond-async" };

async function newTenant(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1" } });
  return tenant;
}

const isReplay = ({ headers }: Answer) => headers.get("idempotency-replayed") === "true";
const withKey = (key: string, more: Record<string, string> = {}) => ({ "idempotency-key": key, ...more });

test("a task is made once", async () => {
  const tenant = await newTenant();
  const post = (key: string, given = {}) =>
    tenant.call("POST", "/v1/tasks", { body: { ...HTTP, ...given }, headers: withKey(key) });
  const first = await post("a");
  const again = await post("a");
  assert.deepEqual([first.status, again.status], [201, 201]);
  assert.equal(again.body.id, first.body.id);
  assert.equal(again.headers.get("location"), first.headers.get("location"));
  assert.deepEqual([isReplay(first), isReplay(again)], [false, true]);
  assert.notEqual((await post("b")).body.id, first.body.id);
  assertProblem(await post("a", { name: "other" }), 422, "idempotency_key_reused", ["Idempotency-Key"]);
  assert.equal((await tenant.call("GET", "/v1/tasks")).body.items.length, 2);
});

test("what was refused may be sent again, put right, with the same key", async () => {
  const tenant = await newTenant();
  const headers = withKey("a");
  assertProblem(
    await tenant.call("POST", "/v1/tasks", { body: { type: "http" }, headers }),
    422,
    "invalid_input",
  );
  assert.equal((await tenant.call("POST", "/v1/tasks", { body: HTTP, headers })).status, 201);
});

test("every POST takes a key, and who answers a repetition otherwise than from what was kept says why", () => {
  const own = routes.flatMap(({ operationId, idempotency }) =>
    idempotency ? [[operationId, idempotency.by] as const] : [],
  );
  assert.deepEqual(Object.fromEntries(own), {
    advanceClock: null,
    answerMcpMessage: null,
    callFunction: null,
    completeAttempt: null,
    invokeFunction: "handler",
    signInToConsole: null,
    beginOidcSignIn: null,
    finishOidcSignIn: null,
    triggerHook: "handler",
  });
  for (const { idempotency } of routes) if (idempotency) assert.ok(idempotency.why.length > 30);
});

/** What a POST changes and answers, without a key, in the words of a request of its own. */
const ONE_OF_EACH: Record<string, (tenant: TestCaller) => Promise<{ path: string; body?: Json }>> = {
  "pause a task": async (tenant) => ({ path: `/v1/tasks/${await makeTask(tenant)}/pause` }),
  "cancel a task": async (tenant) => ({ path: `/v1/tasks/${await makeTask(tenant)}/cancel` }),
  "run a task": async (tenant) => ({ path: `/v1/tasks/${await makeTask(tenant)}/run`, body: {} }),
  "preview a schedule": async () => ({
    path: "/v1/schedules/preview",
    body: { schedule: { every: "1h" } },
  }),
  "make some tasks": async () => ({ path: "/v1/tasks/batch", body: { items: [HTTP, {}] } }),
  "make a hook": async () => ({ path: "/v1/functions/greet/hooks", body: { name: "shop" } }),
  "rotate the signing secret": async () => ({ path: "/v1/signing-secrets/rotate" }),
  "redrive dead letters": async () => ({ path: "/v1/dead-letters/redrive" }),
  "act in bulk": async () => ({
    path: "/v1/bulk",
    body: { action: "pause", resource: "tasks", filter: {} },
  }),
};

const makeTask = async (tenant: TestCaller) =>
  (await tenant.call("POST", "/v1/tasks", { body: { ...HTTP, schedule: { every: "1h" } } })).body.id;

for (const [name, describe] of Object.entries(ONE_OF_EACH))
  test(`${name}: a repetition is answered the same, in all that it says, and does nothing`, async () => {
    const tenant = await newTenant();
    const { path, body } = await describe(tenant);
    const post = (given = body) =>
      tenant.call("POST", path, { ...(given && { body: given }), headers: withKey("a") });
    // At once: one of them does it, the others wait for it.
    const [first, ...others] = (await Promise.all([post(), post(), post()])).toSorted(
      (a, b) => Number(isReplay(a)) - Number(isReplay(b)),
    );
    const written = await countAll();
    for (const again of [...others, await post()]) {
      assert.deepEqual([again.status, again.body], [first!.status, first!.body]);
      const told = Object.fromEntries(again.headers);
      assert.deepEqual(told, { ...Object.fromEntries(first!.headers), "idempotency-replayed": "true" });
    }
    assert.ok(first!.status < 300 && !isReplay(first!));
    assert.deepEqual(await countAll(), written);
    assertProblem(await post({ other: 1 }), 422, "idempotency_key_reused", ["Idempotency-Key"]);
    assertProblem(
      await tenant.call("POST", `${path}?a=1`, { headers: withKey("a") }),
      422,
      "idempotency_key_reused",
    );
  });

const COUNTED = ["tasks", "task_runs", "function_hooks", "signing_secrets", "bulk_actions"];

async function countAll(): Promise<unknown[]> {
  const counts = COUNTED.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`);
  return (await api.store.pool.query(`SELECT ${counts.join(", ")}`)).rows;
}

test("an answer that shows a secret is kept for its caller alone", async () => {
  const tenant = await newTenant();
  const path = "/v1/functions/greet/hooks";
  const made = await tenant.call("POST", path, { headers: withKey("hook") });
  const again = await tenant.call("POST", path, { headers: withKey("hook") });
  assert.equal(again.body.token, made.body.token);
  assert.equal(again.headers.get("cache-control"), "no-store");
  const { rows } = await api.store.pool.query<{ answer: Buffer }>(
    "SELECT answer FROM idempotency_keys WHERE namespace_id = $1 AND operation = 'functions/greet/hooks'",
    [tenant.namespaceId],
  );
  assert.equal(rows.length, 1);
  assert.ok(!rows[0]!.answer.includes(made.body.token));
  const colleague = await api.newCaller(tenant.namespaceId, ["deploy"]);
  const refused = await colleague.call("POST", path, { headers: withKey("hook") });
  assertProblem(refused, 422, "idempotency_key_reused", ["Idempotency-Key"]);
  const task = await tenant.call("POST", "/v1/tasks", { body: HTTP, headers: withKey("task") });
  const writer = await api.newCaller(tenant.namespaceId, ["write"]);
  const told = await writer.call("POST", "/v1/tasks", { body: HTTP, headers: withKey("task") });
  assert.deepEqual([told.status, told.body], [201, task.body]);
});

test("an answer that is too large is not kept: a repetition is refused, and does nothing", async () => {
  const tenant = await newTenant();
  const post = () => tenant.call("POST", "/v1/tasks", { body: HTTP, headers: withKey("large") });
  await post();
  await api.store.pool.query("UPDATE idempotency_keys SET answer = NULL WHERE namespace_id = $1", [
    tenant.namespaceId,
  ]);
  assertProblem(await post(), 409, "answer_not_kept");
  assert.equal((await tenant.call("GET", "/v1/tasks")).body.items.length, 1);
});

test("a request whose commit fails has done nothing, has told nobody, and may be sent again", async () => {
  const tenant = await newTenant();
  const breaks =
    "CREATE CONSTRAINT TRIGGER breaks AFTER INSERT ON idempotency_keys DEFERRABLE INITIALLY DEFERRED";
  await api.store.pool.query(
    "CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken off'; END $$",
  );
  await api.store.pool.query(`${breaks} FOR EACH ROW EXECUTE FUNCTION break_off()`);
  const post = () => tenant.call("POST", "/v1/tasks", { body: HTTP, headers: withKey("a") });
  const before = await countAll();
  const rung = api.bells.items.length;
  assertProblem(await post(), 500, "internal_error");
  assert.deepEqual(await countAll(), before);
  await api.store.pool.query("DROP TRIGGER breaks ON idempotency_keys");
  const made = await post();
  assert.deepEqual([made.status, isReplay(made)], [201, false]);
  await api.bells.waitFor(({ runId }) => runId === made.body.runId);
  assert.deepEqual(
    api.bells.items.slice(rung).map(({ runId }) => runId),
    [made.body.runId],
  );
});

test("a path that no index takes is known by its hash", async () => {
  const tenant = await newTenant();
  const path = `/v1/tasks/${"x".repeat(5_000)}/pause`;
  assertProblem(await tenant.call("POST", path, { headers: withKey("a") }), 404, "not_found");
});

test("run now makes one run", async () => {
  const tenant = await newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { ...HTTP, schedule: { every: "1h" } },
  });
  const run = () => tenant.call("POST", `/v1/tasks/${task.id}/run`, { headers: withKey("a") });
  const [first, again] = [await run(), await run()];
  assert.deepEqual([again.status, again.body.id, isReplay(again)], [202, first.body.id, true]);
  assert.equal((await tenant.call("GET", `/v1/tasks/${task.id}/runs`)).body.items.length, 1);
  const missing = await tenant.call("POST", `/v1/tasks/${randomUUID()}/run`, { headers: withKey("a") });
  assertProblem(missing, 404, "not_found");
});

test("an invocation makes one run: whoever waits gets its result, also later and from another caller", async () => {
  const tenant = await newTenant();
  const call = (headers: Record<string, string>, body: Record<string, number> = { n: 1 }) =>
    tenant.call("POST", INVOKE, { body, headers });
  const queued = await call(withKey("a", ASYNC));
  const replayed = await call(withKey("a", ASYNC));
  assert.deepEqual([replayed.status, replayed.body, isReplay(replayed)], [202, queued.body, true]);
  const waiting = call(withKey("a"));
  await api.work(queued.body.runId, { state: "succeeded", result: 7 });
  for (const answer of [await waiting, await call(withKey("a"))]) {
    assert.deepEqual([answer.status, answer.body, isReplay(answer)], [200, 7, true]);
    assert.equal(answer.headers.get("bellhop-run-id"), queued.body.runId);
  }
  assertProblem(await call(withKey("a"), { n: 2 }), 422, "idempotency_key_reused", ["Idempotency-Key"]);
  const other = await tenant.call("POST", "/v1/functions/none/invoke", { headers: withKey("b", ASYNC) });
  assertProblem(other, 404, "not_found");
  assert.equal((await tenant.call("GET", "/v1/runs")).body.items.length, 1);
  assert.notEqual((await call(withKey("c", ASYNC))).body.runId, queued.body.runId);
});

test("a hook takes Idempotency-Key, and without it webhook-id", async () => {
  const tenant = await newTenant();
  const hook = async () => (await tenant.call("POST", "/v1/functions/greet/hooks")).body.url;
  const [url, otherUrl] = [await hook(), await hook()];
  const send = (headers: Record<string, string>, body = "{}", path = url) =>
    api.anonymous.call("POST", path, { body, headers });
  const first = await send({ "webhook-id": "msg_1", "webhook-timestamp": "1" });
  const again = await send({ "webhook-id": "msg_1", "webhook-timestamp": "2" });
  assert.deepEqual([again.status, again.body, isReplay(again)], [202, first.body, true]);
  assert.equal(again.headers.get("bellhop-run-id"), first.body.runId);
  const chosen = await send({ "webhook-id": "msg_1", "idempotency-key": "k" });
  assert.notEqual(chosen.body.runId, first.body.runId);
  assert.equal((await send({ "idempotency-key": "k" })).body.runId, chosen.body.runId);
  assert.notEqual((await send({ "webhook-id": "msg_1" }, "{}", otherUrl)).body.runId, first.body.runId);
  assertProblem(await send({ "webhook-id": "msg_1" }, "[]"), 422, "idempotency_key_reused");
});

test("what is no key is refused, and nothing is made", async () => {
  const tenant = await newTenant();
  const before = await api.countRows();
  for (const key of ["", "a b", "caf\u00e9", "x".repeat(256)]) {
    const headers = withKey(key, ASYNC);
    assertProblem(await tenant.call("POST", INVOKE, { headers }), 400, "invalid_idempotency_key");
    assertProblem(
      await tenant.call("POST", "/v1/tasks", { body: HTTP, headers }),
      400,
      "invalid_idempotency_key",
    );
  }
  assert.deepEqual(await api.countRows(), before);
});

test("a key of one namespace says nothing of another", async () => {
  const [ours, theirs] = [await newTenant(), await newTenant()];
  const post = (tenant: TestCaller) =>
    tenant.call("POST", "/v1/tasks", { body: HTTP, headers: withKey("a") });
  assert.notEqual((await post(ours)).body.id, (await post(theirs)).body.id);
});
