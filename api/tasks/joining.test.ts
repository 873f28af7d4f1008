/** Runs on somebody's word that become one; the worker's part is played by store functions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const FUNCTION = {
  type: "function",
  function: "greet",
  input: { of: "the task" },
  schedule: { every: "1h" },
};
const HTTP = { type: "http", url: "https://example.com/", method: "POST", schedule: { every: "1h" } };
const ONCE = { type: "http", url: "https://example.com/" };
const DEBOUNCE = { key: "k", wait: "1m", max: "1h" };
const COLLECT = { size: 3, wait: "1m" };

async function newTenant(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  return tenant;
}

async function makeTask(tenant: TestCaller, body: Record<string, Json>): Promise<string> {
  const answer = await tenant.call("POST", "/v1/tasks", { body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.id;
}

const run = (tenant: TestCaller, taskId: string, body: Json = {}, headers = {}) =>
  tenant.call("POST", `/v1/tasks/${taskId}/run`, { body, headers });

/** What a worker is given, as if the run's instant had come. */
async function specOf(runId: string) {
  await api.store.pool.query("UPDATE task_runs_open SET available_at = statement_timestamp() WHERE id = $1", [
    runId,
  ]);
  return (await api.start(runId)).spec as { input?: Json; body?: Json };
}

test("runs that a task debounces become one, which is given what the last was", async () => {
  const tenant = await newTenant();
  const taskId = await makeTask(tenant, { ...FUNCTION, debounce: DEBOUNCE });
  const first = await run(tenant, taskId, { input: 1 });
  assert.deepEqual([first.status, first.body.state, first.body.joined], [202, "queued", false]);
  assert.ok(Date.parse(first.body.scheduledFor) > Date.now() + 50_000);
  const second = await run(tenant, taskId, { input: 2 });
  assert.deepEqual([second.status, second.body.id, second.body.joined], [202, first.body.id, true]);
  assert.equal((await specOf(first.body.id)).input, 2);
  const third = await run(tenant, taskId);
  assert.equal(third.body.joined, false);
  assert.deepEqual((await specOf(third.body.id)).input, FUNCTION.input, "given nothing it is the task's own");
});

test("an http task's runs are debounced with the body that the last was given, to the letter", async () => {
  const tenant = await newTenant();
  const taskId = await makeTask(tenant, { ...HTTP, debounce: DEBOUNCE });
  const post = (body: string) => tenant.call("POST", `/v1/tasks/${taskId}/run`, { body });
  const first = await post('{"body": {"a": 1}}');
  await post('{"body": {"a":1.0}}');
  assert.equal(((await specOf(first.body.id)).body as unknown as { text: string }).text, '{"a":1.0}');
});

test("runs that a task collects become one with the list of what they were given", async () => {
  const tenant = await newTenant();
  const taskId = await makeTask(tenant, { ...FUNCTION, collect: COLLECT });
  const { body: first } = await run(tenant, taskId, { input: { order: 1 } });
  await run(tenant, taskId, { input: null });
  const { body: last } = await run(tenant, taskId);
  assert.deepEqual([last.id, last.joined], [first.id, true]);
  await api.bells.waitFor(({ runId }) => runId === first.id);
  const claimed = await api.start(first.id);
  assert.deepEqual((claimed.spec as { input?: Json }).input, [{ order: 1 }, null, FUNCTION.input]);
  assert.notEqual((await run(tenant, taskId)).body.id, first.id);
});

test("a repeated request joins once, and a run that was cancelled is joined no more", async () => {
  const tenant = await newTenant();
  const taskId = await makeTask(tenant, { ...FUNCTION, collect: COLLECT });
  const headers = { "idempotency-key": "order-7" };
  const { body: first } = await run(tenant, taskId, { input: 1 }, headers);
  const again = await run(tenant, taskId, { input: 1 }, headers);
  assert.deepEqual(again.body, first);
  const { body: second } = await run(tenant, taskId, { input: 2 });
  assert.equal(second.id, first.id);
  await tenant.call("POST", `/v1/runs/${first.id}/cancel`);
  const { body: third } = await run(tenant, taskId, { input: 3 });
  assert.equal(third.joined, false);
  const { body: replay } = await tenant.call("POST", `/v1/runs/${first.id}/replay`);
  assert.deepEqual((await specOf(replay.id)).input, [1, 2]);
});

test("a change of the task reaches the run that waits, and runs of its schedule are apart", async () => {
  const tenant = await newTenant();
  const taskId = await makeTask(tenant, { ...HTTP, debounce: DEBOUNCE });
  const { body: first } = await run(tenant, taskId);
  const patch = { url: "https://example.com/other" };
  assert.equal((await tenant.call("PATCH", `/v1/tasks/${taskId}`, { body: patch })).status, 200);
  const { body: second } = await run(tenant, taskId);
  assert.equal(second.id, first.id);
  const spec = (await specOf(first.id)) as { url?: string };
  assert.equal(spec.url, patch.url);
  await tenant.call("PATCH", `/v1/tasks/${taskId}`, { body: { debounce: null } });
  const { body: alone } = await run(tenant, taskId);
  assert.equal(alone.joined, undefined);
});

test("a cancelled task runs no more, and with dedup it is refused", async () => {
  const tenant = await newTenant();
  const taskId = await makeTask(tenant, { ...FUNCTION, debounce: DEBOUNCE });
  assertProblem(await run(tenant, taskId, { dedup: { window: "1m" } }), 422, "invalid_input", ["dedup"]);
  await tenant.call("POST", `/v1/tasks/${taskId}/cancel`);
  assertProblem(await run(tenant, taskId), 409, "task_cancelled");
});

test("what does not go together is refused by its field", async () => {
  const tenant = await newTenant();
  const rows = await api.countRows();
  for (const [body, field] of [
    [{ ...FUNCTION, debounce: DEBOUNCE, collect: COLLECT }, "collect"],
    [{ ...HTTP, collect: COLLECT }, "collect"],
    [{ type: "function", function: "greet", collect: COLLECT }, "collect"],
    [{ ...ONCE, debounce: DEBOUNCE, dedup: { window: "1m" } }, "dedup"],
    [{ ...HTTP, debounce: { wait: "5s" } }, "debounce.key"],
    [{ ...HTTP, debounce: { ...DEBOUNCE, max: "1s" } }, "debounce.max"],
    [{ ...FUNCTION, collect: { ...COLLECT, size: 0 } }, "collect.size"],
    [{ ...FUNCTION, collect: { ...COLLECT, key: "k" } }, "collect.key"],
  ] as const)
    assertProblem(await tenant.call("POST", "/v1/tasks", { body }), 422, "invalid_input", [field]);
  assert.deepEqual(await api.countRows(), rows);
});

test("a task without a schedule takes the place of the one that waits with its key", async () => {
  const tenant = await newTenant();
  const post = (more: Record<string, Json>) =>
    tenant.call("POST", "/v1/tasks", { body: { ...ONCE, debounce: DEBOUNCE, ...more } });
  const first = await post({ name: "first" });
  assert.deepEqual([first.status, first.body.joined, first.body.runId], [201, false, undefined]);
  assert.deepEqual([first.body.schedule, first.body.debounce], [{ delay: "1m" }, DEBOUNCE]);
  const second = await post({ name: "second", url: "https://example.com/second", priority: 70 });
  assert.deepEqual([second.status, second.body.id, second.body.joined], [200, first.body.id, true]);
  assert.ok(second.body.nextRunAt > first.body.nextRunAt, "it waits from the last request");
  const { body: shown } = await tenant.call("GET", `/v1/tasks/${first.body.id}`);
  assert.deepEqual([shown.name, shown.url, shown.priority], ["second", "https://example.com/second", 70]);
  assert.equal(shown.nextRunAt, second.body.nextRunAt);
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items.length, 1);
  const email = { type: "email", to: "ada@example.com", subject: "Hi", body: "Hi", debounce: DEBOUNCE };
  assert.equal((await tenant.call("POST", "/v1/tasks", { body: email })).body.joined, false);
  await tenant.call("POST", `/v1/tasks/${first.body.id}/cancel`);
  const third = await post({});
  assert.deepEqual([third.status, third.body.joined], [201, false]);
  assert.notEqual(third.body.id, first.body.id);
});

test("elsewhere a task without a schedule is not debounced, and says so", async () => {
  const tenant = await newTenant();
  const body = { ...ONCE, debounce: DEBOUNCE };
  const { body: batch } = await tenant.call("POST", "/v1/tasks/batch", { body: { items: [body] } });
  assert.deepEqual([batch.items[0].status, batch.items[0].problem.errors[0].field], [422, "debounce"]);
  assertProblem(await tenant.call("PUT", "/v1/tasks/k", { body }), 422, "invalid_input", ["debounce"]);
  const set = { tasks: [{ ...body, key: "k" }] };
  assert.equal((await tenant.call("POST", "/v1/tasks/apply", { body: set })).status, 422);
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items, []);
});
