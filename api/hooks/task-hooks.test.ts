/** Hooks of tasks: a call is a run of the task, given what was sent. */
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { writeJson } from "../../core/json-source.ts";
import { MAX_WAITING, takeTurn } from "../../core/store/joins/take-turns.ts";
import { removeExpiredTasks } from "../../core/store/tasks/expire.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const JSON_HEADERS = { "content-type": "application/json" };
const TEXT_HEADERS = { "content-type": "text/plain" };

const FUNCTION_TASK = { type: "function", function: "greet", input: { own: true } };
const HTTP_TASK = { type: "http", url: "https://example.com/", method: "POST", body: { own: true } };
const EMAIL_TASK = {
  type: "email",
  to: "ada@example.com",
  from: "bob@example.com",
  subject: "Hi",
  body: "Hello",
};

async function openTask(task: Record<string, Json>, hook: Record<string, Json> = {}) {
  const tenant = await api.newTenant();
  const source = "export default () => 1;";
  await tenant.call("PUT", "/v1/functions/greet", { body: { source } });
  const body = { ...task, schedule: { delay: "10h" } };
  const made = await tenant.call("POST", "/v1/tasks", { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const path = `/v1/tasks/${made.body.id}/hooks`;
  return { tenant, taskId: made.body.id as string, path, ...(await openHook(tenant, path, hook)) };
}

async function openHook(tenant: TestCaller, path: string, body: Record<string, Json> = {}) {
  const made = await tenant.call("POST", path, { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const send = (sent: string, headers: Record<string, string> = JSON_HEADERS) =>
    api.anonymous.call("POST", made.body.url, { body: sent, headers });
  return { hook: made.body, send };
}

test("a hook of a task shows its token once, is listed, and is removed", async () => {
  const { tenant, path, hook, send } = await openTask(HTTP_TASK, { name: "the shop" });
  assert.match(hook.token, /^bhk_[\w-]{43}$/);
  const { token: _, url: __, ...shown } = hook;
  assert.deepEqual(shown, {
    id: hook.id,
    name: "the shop",
    verify: null,
    rate: null,
    createdAt: hook.createdAt,
  });
  assert.deepEqual((await tenant.call("GET", path)).body, { items: [shown], nextCursor: null });
  assert.equal((await tenant.call("DELETE", `${path}/${hook.id}`)).status, 204);
  assertProblem(await tenant.call("DELETE", `${path}/${hook.id}`), 404, "not_found");
  assertProblem(await send("{}"), 404, "hook_not_found");
  for (const field of ["tag", "queue", "maxAttempts"])
    assertProblem(await tenant.call("POST", path, { body: { [field]: "x" } }), 422, "invalid_input");
  const { entries } = { entries: (await tenant.call("GET", "/v1/audit")).body.items };
  const told = entries.map(({ action, resource }: Record<string, string>) => `${action} ${resource}`);
  const resource = `${path.replace("/v1/", "")}/${hook.id}`;
  assert.deepEqual(told.slice(0, 2), [`removeTaskHook ${resource}`, `createTaskHook ${resource}`]);
});

test("a call of a function's task gives it JSON as JSON and other text as text, in place of its own input", async () => {
  const { tenant, taskId, send } = await openTask(FUNCTION_TASK);
  for (const [sent, headers, input] of [
    ['{"order":7}', JSON_HEADERS, { order: 7 }],
    ['{"order":7}', { "content-type": "application/vnd.shop+json; charset=utf-8" }, { order: 7 }],
    ['{"order":7}', TEXT_HEADERS, '{"order":7}'],
    ["null", JSON_HEADERS, null],
    ["", JSON_HEADERS, { own: true }],
  ] as [string, Record<string, string>, Json][]) {
    const answer = await send(sent, headers);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    assert.equal(answer.headers.get("bellhop-run-id"), answer.body.runId);
    assert.ok(api.bells.items.some((bell) => bell.runId === answer.body.runId));
    const run = await api.start(answer.body.runId);
    assert.ok(run.spec.type === "function");
    assert.deepEqual(run.spec.input, input);
  }
  const { body } = await tenant.call("GET", `/v1/runs?taskId=${taskId}`);
  assert.deepEqual(new Set(body.items.map((run: { trigger: string }) => run.trigger)), new Set(["manual"]));
});

test("a call of an http task sends JSON as it was written, and puts no secret into it", async () => {
  const { tenant, send } = await openTask(HTTP_TASK);
  await tenant.call("PUT", "/v1/secrets/TOKEN", { body: { value: "hush" } });
  for (const [sent, headers] of [
    ['{ "amount": 1.0, "note": "{{secrets.TOKEN}}" }', JSON_HEADERS],
    ["plain {{secrets.TOKEN}}", TEXT_HEADERS],
  ] as const) {
    const run = await api.start((await send(sent, headers)).body.runId);
    assert.ok(run.spec.type === "http");
    const { body, secretsIn } = run.spec;
    assert.equal(typeof body === "string" ? body : writeJson(body!), sent);
    assert.deepEqual(secretsIn ?? [], []);
  }
});

test("a call of an e-mail's task sends it as it is", async () => {
  const { send } = await openTask(EMAIL_TASK);
  const run = await api.start((await send('{"to":"eve@example.com"}')).body.runId);
  assert.ok(run.spec.type === "email");
  assert.deepEqual([run.spec.to, run.spec.subject], [["ada@example.com"], "Hi"]);
});

test("what cannot be the task's input is refused, and makes no run", async () => {
  const { send } = await openTask(FUNCTION_TASK);
  const before = await api.countRows();
  assertProblem(await send("{"), 400, "invalid_json");
  assertProblem(await send('{"a":"\\u0000"}'), 422, "invalid_input");
  assertProblem(await send("a\u0000b", TEXT_HEADERS), 422, "invalid_input");
  assertProblem(await send("x".repeat(1_000_001), TEXT_HEADERS), 413, "body_too_large");
  assert.deepEqual(await api.countRows(), before);
  const { send: sendHttp } = await openTask(HTTP_TASK);
  const refused = await sendHttp('{"a":1e999999}');
  assertProblem(refused, 422, "invalid_input");
  assert.match(refused.body.detail, /The input holds a number that cannot be stored/);
});

test("a task that is over runs by its hook; one that is cancelled or removed does not", async () => {
  const { tenant, taskId, send } = await openTask(HTTP_TASK);
  await tenant.call("POST", `/v1/tasks/${taskId}/pause`);
  assert.equal((await send("{}")).status, 202);
  await tenant.call("POST", `/v1/tasks/${taskId}/cancel`);
  assertProblem(await send("{}"), 409, "task_cancelled");
  await tenant.call("DELETE", `/v1/tasks/${taskId}`);
  assertProblem(await send("{}"), 404, "hook_not_found");
});

test("a task that is removed at any moment of a call is an unknown hook", async (t) => {
  const { pool } = api.store;
  const connect = pool.connect.bind(pool) as (...given: unknown[]) => Promise<unknown>;
  let connectsUntilRemoval = Number.POSITIVE_INFINITY;
  let remove = async (): Promise<void> => {};
  // Those of the pool's own `query` have a callback.
  t.mock.method(pool, "connect", async (...given: unknown[]) => {
    if (given.length === 0) connectsUntilRemoval -= 1;
    if (given.length === 0 && connectsUntilRemoval === 0) await remove();
    return await connect(...given);
  });
  for (const joining of [
    {},
    { debounce: { key: "shop", wait: "1h" } },
    { collect: { size: 2, wait: "1h" } },
  ]) {
    const statuses: number[] = [];
    for (let at = 1, isRemoved = true; isRemoved; at += 1) {
      const { tenant, taskId, send } = await openTask({ ...FUNCTION_TASK, ...joining });
      isRemoved = false;
      remove = async () => {
        isRemoved = true;
        assert.equal((await tenant.call("DELETE", `/v1/tasks/${taskId}`)).status, 204);
      };
      connectsUntilRemoval = at;
      const answer = await send("{}");
      connectsUntilRemoval = Number.POSITIVE_INFINITY;
      statuses.push(answer.status);
      if (answer.status === 202) continue;
      assertProblem(answer, 404, "hook_not_found");
      assert.ok(!JSON.stringify(answer.body).includes(taskId));
    }
    assert.deepEqual([statuses[0], statuses.at(-1)], [404, 202]);
  }
});

test("a task that is over and has no run any more stays while it has a hook", async () => {
  const { tenant, taskId, path, hook } = await openTask(HTTP_TASK);
  await api.store.pool.query("UPDATE tasks SET state = 'completed', next_run_at = NULL WHERE id = $1", [
    taskId,
  ]);
  const expire = () => removeExpiredTasks(api.store, new Date(Date.now() + 60_000), 1_000);
  await expire();
  assert.equal((await tenant.call("GET", `/v1/tasks/${taskId}`)).status, 200);
  await tenant.call("DELETE", `${path}/${hook.id}`);
  await expire();
  assertProblem(await tenant.call("GET", `/v1/tasks/${taskId}`), 404, "not_found");
});

test("calls of a task that debounces become one run, and a delivery that comes again is the same call", async () => {
  const { tenant, taskId, send } = await openTask({
    ...FUNCTION_TASK,
    debounce: { key: "shop", wait: "1h" },
  });
  const first = await send('{"n":1}', { ...JSON_HEADERS, "idempotency-key": "one" });
  const second = await send('{"n":2}', { ...JSON_HEADERS, "idempotency-key": "two" });
  const again = await send('{"n":1}', { ...JSON_HEADERS, "idempotency-key": "one" });
  assert.deepEqual([first.status, second.status, again.status], [202, 202, 202]);
  assert.deepEqual([second.body.runId, again.body.runId], [first.body.runId, first.body.runId]);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  const { rows } = await api.store.pool.query("SELECT input FROM task_runs WHERE task_id = $1", [taskId]);
  assert.deepEqual(rows, [{ input: { input: { n: 2 } } }]);
  assert.equal((await tenant.call("GET", `/v1/runs?taskId=${taskId}`)).body.items.length, 1);
});

test("a call of a task that is refused or comes again uses up nothing of the hook's rate", async () => {
  const rate = { limit: 2, per: "1h" };
  const withKey = (key: string) => ({ ...JSON_HEADERS, "idempotency-key": key });
  for (const joining of [{}, { debounce: { key: "shop", wait: "1h" } }]) {
    const { tenant, taskId, hook, send } = await openTask({ ...FUNCTION_TASK, ...joining }, { rate });
    const statuses: number[] = [];
    for (const [sent, key] of [
      ["{", "one"],
      ["{}", "one"],
      ["{}", "one"],
      ["[]", "one"],
      ["{}", "two"],
      ["{}", "three"],
      ["{}", "two"],
    ] as const)
      statuses.push((await send(sent, withKey(key))).status);
    statuses.push((await send("{}")).status);
    assert.deepEqual(statuses, [400, 202, 202, 422, 202, 429, 202, 429]);
    const { hook: other, send: sendToOther } = await openHook(tenant, `/v1/tasks/${taskId}/hooks`, { rate });
    await tenant.call("POST", `/v1/tasks/${taskId}/cancel`);
    for (const headers of [JSON_HEADERS, withKey("four")])
      assertProblem(await sendToOther("{}", headers), 409, "task_cancelled");
    const usedOf = ({ id }: { id: string }) =>
      api.parts.requestRates.look(`hooks/${id}`, { limit: 2, perMs: 3_600_000 }).used;
    assert.deepEqual([usedOf(hook), usedOf(other)], [2, 0]);
  }
});

test("a call of a task that more join than can in time is a 503, and may be sent again", async () => {
  const { tenant, taskId, send } = await openTask({
    ...FUNCTION_TASK,
    debounce: { key: "shop", wait: "1h" },
  });
  const place = { namespaceId: tenant.namespaceId, scope: `debounce/task:${taskId}`, key: "shop" };
  const gate = Promise.withResolvers<void>();
  const others = Array.from({ length: MAX_WAITING + 1 }, () =>
    takeTurn(api.store, place, () => gate.promise),
  );
  const headers = { ...JSON_HEADERS, "idempotency-key": "one" };
  const refused = await send("{}", headers);
  gate.resolve();
  await Promise.all(others);
  assertProblem(refused, 503, "overloaded");
  assert.equal(refused.headers.get("retry-after"), "2");
  assert.equal((await send("{}", headers)).status, 202);
});

test("a task's hook verifies who sends, and runs a delivery once", async () => {
  const { tenant, path } = await openTask(FUNCTION_TASK);
  await tenant.call("PUT", "/v1/secrets/SHOP", { body: { value: "what the sender has" } });
  const { send } = await openHook(tenant, path, { verify: { scheme: "github", secrets: ["SHOP"] } });
  const sign = (by: string) => `sha256=${createHmac("sha256", by).update("{}").digest("hex")}`;
  const headersOf = (by: string) => ({
    ...JSON_HEADERS,
    "x-hub-signature-256": sign(by),
    "x-github-delivery": randomUUID(),
  });
  assertProblem(await send("{}", headersOf("a guess")), 401, "invalid_signature");
  const headers = headersOf("what the sender has");
  const [first, again] = [await send("{}", headers), await send("{}", headers)];
  assert.equal(first.status, 202);
  assert.deepEqual(again.body, first.body);
});

test("a task has twenty hooks; they take the scope write, and nothing crosses namespaces", async () => {
  const { tenant, path, hook } = await openTask(HTTP_TASK);
  const reader = await api.newCaller(tenant.namespaceId, ["read", "deploy", "invoke"]);
  const stranger = await api.newTenant();
  assertProblem(await reader.call("POST", path), 403, "forbidden");
  assertProblem(await reader.call("DELETE", `${path}/${hook.id}`), 403, "forbidden");
  assert.equal((await reader.call("GET", path)).body.items.length, 1);
  assertProblem(await stranger.call("GET", path), 404, "not_found");
  assertProblem(await stranger.call("POST", path), 404, "not_found");
  assertProblem(await stranger.call("DELETE", `${path}/${hook.id}`), 404, "not_found");
  const answers = await Promise.all(Array.from({ length: 20 }, () => tenant.call("POST", path)));
  const refused = answers.filter(({ status }) => status !== 201);
  assert.equal(refused.length, 1);
  assertProblem(refused[0]!, 409, "too_many_hooks");
});
