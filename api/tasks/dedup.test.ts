/** Tasks and runs that are made once within a window, by what they are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../core/json.ts";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/", body: { order: 7 }, labels: { a: "1", b: "2" } };
const EVERY = { ...HTTP, schedule: { every: "1h" } };
const DEDUP = { window: "10m" };

const make = (tenant: TestCaller, content: JsonObject, dedup: Json = DEDUP) =>
  tenant.call("POST", "/v1/tasks", { body: { ...content, dedup } });
const isDuplicate = ({ headers }: Answer) => headers.get("bellhop-deduplicated") === "true";
const facts = (answer: Answer) => [answer.status, answer.body.id, isDuplicate(answer)];

async function count(tenant: TestCaller, table: "tasks" | "task_runs" | "idempotency_keys"): Promise<number> {
  const text = `SELECT count(*)::int AS count FROM ${table} WHERE namespace_id = $1`;
  return (await api.store.pool.query(text, [tenant.namespaceId])).rows[0].count;
}

const age = (tenant: TestCaller, minutes: number) =>
  api.store.pool.query(
    "UPDATE idempotency_keys SET created_at = created_at - $2 * interval '1 minute' WHERE namespace_id = $1",
    [tenant.namespaceId, minutes],
  );

test("the same content within the window is answered with the task that was made, and makes none", async () => {
  const tenant = await api.newTenant();
  const first = await make(tenant, HTTP);
  assert.deepEqual(facts(first), [201, first.body.id, false]);
  const { labels, ...rest } = HTTP;
  const again = await make(tenant, { labels: { b: "2", a: "1" }, ...rest });
  assert.deepEqual(facts(again), [200, first.body.id, true]);
  assert.deepEqual([again.body, again.headers.get("location")], [first.body, `/v1/tasks/${first.body.id}`]);
  for (const other of [{ ...HTTP, name: "another" }, { ...HTTP, body: { order: 8 } }, { ...rest }])
    assert.equal((await make(tenant, other)).status, 201);
  assert.equal((await make(await api.newTenant(), HTTP)).status, 201);
  assert.equal((await tenant.call("POST", "/v1/tasks", { body: HTTP })).status, 201);
  assert.equal(await count(tenant, "tasks"), 5);
  // Also once its run has ended.
  await api.work(first.body.runId, { state: "succeeded", result: null });
  const { status, body } = await make(tenant, HTTP);
  assert.deepEqual(
    [status, body.id, body.runId, body.state],
    [200, first.body.id, first.body.runId, "completed"],
  );
});

test("of many at once one makes it", async () => {
  const tenant = await api.newTenant();
  const answers = await Promise.all(Array.from({ length: 12 }, () => make(tenant, EVERY)));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [...Array(11).fill(200), 201]);
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
  assert.equal(await count(tenant, "tasks"), 1);
});

test("the window is that of who asks, back from now", async () => {
  const tenant = await api.newTenant();
  const { id } = (await make(tenant, EVERY)).body;
  await age(tenant, 30);
  assert.deepEqual(facts(await make(tenant, EVERY, { window: "1h" })), [200, id, true]);
  const next = await make(tenant, EVERY);
  assert.deepEqual(facts(next), [201, next.body.id, false]);
  assert.notEqual(next.body.id, id);
  assert.deepEqual(facts(await make(tenant, EVERY)), [200, next.body.id, true]);
});

test("a task that was cancelled or removed stands in nobody's way, and many at once make one in its place", async () => {
  const tenant = await api.newTenant();
  for (const [method, path] of [
    ["POST", "/cancel"],
    ["DELETE", ""],
  ]) {
    const { id } = (await make(tenant, EVERY)).body;
    await tenant.call(method!, `/v1/tasks/${id}${path}`);
    const answers = await Promise.all(Array.from({ length: 4 }, () => make(tenant, EVERY)));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 200, 200, 201]);
    const [made, ...others] = new Set(answers.map(({ body }) => body.id));
    assert.ok(others.length === 0 && made !== id);
    await tenant.call("DELETE", `/v1/tasks/${made}`);
  }
});

test("what could not be made is held by nobody", async () => {
  const tenant = await api.newTenant();
  const task = { type: "function", function: "greet" };
  assertProblem(await make(tenant, task), 422, "unknown_function");
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1" } });
  assert.equal((await make(tenant, task)).status, 201);
});

test("items of a batch are found among themselves and among other tasks", async () => {
  const tenant = await api.newTenant();
  const { id } = (await make(tenant, EVERY)).body;
  const items = [
    { ...EVERY, dedup: DEDUP },
    { ...HTTP, dedup: DEDUP },
    { ...HTTP, dedup: { window: "1h" } },
    { ...HTTP, dedup: { window: "0s" } },
  ];
  const headers = { "idempotency-key": "batch" };
  for (const _time of [1, 2]) {
    const { body } = await tenant.call("POST", "/v1/tasks/batch", { body: { items }, headers });
    const [found, made, again, refused] = body.items;
    assert.deepEqual([found.status, found.task.id, made.status, again.status], [200, id, 201, 200]);
    assert.equal(again.task.id, made.task.id);
    assert.deepEqual([refused.status, refused.problem.errors[0].field], [422, "dedup.window"]);
  }
  assert.equal(await count(tenant, "tasks"), 2);
});

test("a run now of the same task with the same input is the one that was made within the window", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1" } });
  const task = { type: "function", function: "greet", schedule: { every: "1h" } };
  const [{ id }, other] = [
    (await make(tenant, task)).body,
    (await make(tenant, { ...task, name: "b" })).body,
  ];
  const run = (body: JsonObject, of = id) =>
    tenant.call("POST", `/v1/tasks/${of}/run`, { body: { dedup: DEDUP, ...body } });
  const answers = await Promise.all(Array.from({ length: 6 }, () => run({ input: { a: 1, b: 2 } })));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 200, 200, 200, 200, 202]);
  const runId = answers[0]!.body.id;
  await api.work(runId, { state: "succeeded", result: 7 });
  const again = await run({ input: { b: 2, a: 1 } });
  assert.deepEqual([...facts(again), again.body.state], [200, runId, true, "succeeded"]);
  assert.equal(again.headers.get("location"), `/v1/runs/${runId}`);
  for (const answer of [
    await run({ input: { a: 1 } }),
    await run({}),
    await run({ input: { a: 1, b: 2 } }, other.id),
  ])
    assert.deepEqual([answer.status, isDuplicate(answer)], [202, false]);
  const cancelled = (await run({ input: 3 })).body.id;
  await tenant.call("POST", `/v1/runs/${cancelled}/cancel`);
  assert.equal((await run({ input: 3 })).status, 202);
});

test("a window has its bounds, and is no part of a task", async () => {
  const tenant = await api.newTenant();
  for (const window of ["999ms", "25h", "soon", null])
    assertProblem(await make(tenant, EVERY, { window }), 422, "invalid_input", ["dedup.window"]);
  for (const dedup of [{}, { window: "1m", by: "body" }])
    assert.equal((await make(tenant, EVERY, dedup)).status, 422);
  for (const window of ["1s", "24h"]) assert.ok((await make(tenant, EVERY, { window })).status < 300);
  const { id, dedup } = (await make(tenant, EVERY)).body;
  assert.equal(dedup, undefined);
  assertProblem(
    await tenant.call("PATCH", `/v1/tasks/${id}`, { body: { dedup: DEDUP } }),
    422,
    "invalid_input",
    ["dedup"],
  );
});

test("who does not ask for it is held nowhere", async () => {
  const tenant = await api.newTenant();
  const { body } = await tenant.call("POST", "/v1/tasks", { body: EVERY });
  await tenant.call("POST", `/v1/tasks/${body.id}/run`);
  assert.equal(await count(tenant, "idempotency_keys"), 0);
});
