/** Requests that are sent again with their `Idempotency-Key`. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
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
