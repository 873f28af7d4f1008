/** A caller's own key: a name for a task beside its id, wherever a task is named. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCallbacks } from "../../core/store/callbacks/make-callbacks.ts";
import { until, untilEventsSettled } from "../../core/store/testing/test-store.ts";
import { apiFeatures } from "../features.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, work, store, db } = await openApi();
const LATER = { schedule: { delay: "1h" } };
const httpTask = (fields: object = {}) =>
  ({ type: "http", url: "https://example.com/", ...LATER, ...fields }) as never;
const AT_ONCE = { schedule: undefined };
/** What routes of a task that need a body are sent. */
const BODIES: Record<string, object> = {
  "PATCH /v1/tasks/:id": {},
  "POST /v1/tasks/:id/backfill": { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
};

async function makeTask(tenant: TestCaller, fields: object = {}) {
  const { status, body } = await tenant.call("POST", "/v1/tasks", { body: httpTask(fields) });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

const taken = async (tenant: TestCaller, method: string, path: string, body: never) => {
  const answer = await tenant.call(method, path, { body });
  assertProblem(answer, 409, "task_key_taken", ["key"]);
};

test("every route of a task takes its key, and none that of another namespace", async () => {
  const tenant = await newTenant();
  const other = await newTenant();
  const { id } = await makeTask(tenant, { key: "billing:nightly" });
  const routes = apiFeatures(DEFAULT_SETTINGS)
    .flatMap((feature) => feature.routes)
    .filter(({ path, method }) => path.startsWith("/v1/tasks/:id") && method !== "PUT");
  assert.ok(routes.length >= 8);
  for (const { method, path } of routes.sort((a) => (a.method === "DELETE" ? 1 : -1))) {
    const at = (name: string) => path.replace(":id", name);
    const body = BODIES[`${method} ${path}`];
    const sent = body ? { body: body as never } : {};
    for (const [caller, name] of [
      [other, "billing:nightly"],
      [tenant, "nobody"],
      [tenant, "-"],
    ] as const)
      assertProblem(await caller.call(method, at(name), sent), 404, "not_found");
    if (method === "DELETE") await makeTask(other, { key: "billing:nightly" });
    const answer = await tenant.call(method, at("billing:nightly"), sent);
    // Cancelled by then, or completed: the task that was meant.
    assert.ok(answer.status < 300 || answer.status === 409, `${method} ${path}: ${answer.status}`);
    if (answer.body?.key) assert.deepEqual([answer.body.id, answer.body.key], [id, "billing:nightly"]);
  }
  assertProblem(await tenant.call("GET", `/v1/tasks/${id}`), 404, "not_found");
  assert.equal((await other.call("GET", "/v1/tasks/billing:nightly")).status, 200);
});

test("a key is shown, may be given, changed and taken away by a change, and is refused where it is none", async () => {
  const tenant = await newTenant();
  const { id, key } = await makeTask(tenant);
  assert.equal(key, null);
  const change = (given: unknown) =>
    tenant.call("PATCH", `/v1/tasks/${id}`, { body: { key: given } as never });
  assert.equal((await change("a")).body.key, "a");
  assert.equal((await tenant.call("PATCH", "/v1/tasks/a", { body: { key: "b" } })).body.key, "b");
  assertProblem(await tenant.call("GET", "/v1/tasks/a"), 404, "not_found");
  assert.equal((await change(null)).body.key, null);
  for (const bad of ["", "-a", "a/b", "apply", "batch", id, 7])
    assertProblem(await change(bad), 422, "invalid_input", ["key"]);
  assertProblem(
    await tenant.call("POST", "/v1/tasks", { body: httpTask({ key: "apply" }) }),
    422,
    "invalid_input",
    ["key"],
  );
});

test("a key that another task has is a 409 that names it, also in a batch, and changes nothing", async () => {
  const tenant = await newTenant();
  const first = await makeTask(tenant, { key: "k" });
  const second = await makeTask(tenant, { key: "other" });
  await taken(tenant, "POST", "/v1/tasks", httpTask({ key: "k" }));
  await taken(tenant, "PATCH", `/v1/tasks/${second.id}`, { key: "k", name: "x" } as never);
  const { body } = await tenant.call("POST", "/v1/tasks/batch", {
    body: { items: [httpTask({ key: "k" }), httpTask({ key: "new" })] },
  });
  assert.deepEqual(
    body.items.map((item: { status: number; problem?: { code: string } }) => [
      item.status,
      item.problem?.code,
    ]),
    [
      [409, "task_key_taken"],
      [201, undefined],
    ],
  );
  assert.deepEqual((await tenant.call("GET", "/v1/tasks/k")).body, first);
  assert.deepEqual((await tenant.call("GET", "/v1/tasks/other")).body, second);
});

test("of many who give one key at once, one has it", async () => {
  const tenant = await newTenant();
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => tenant.call("POST", "/v1/tasks", { body: httpTask({ key: "k" }) })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(7).fill(409)]);
});

test("a task that is over keeps its key until it is given to another", async () => {
  const tenant = await newTenant();
  const keyOf = async (id: string) => (await tenant.call("GET", `/v1/tasks/${id}`)).body.key;
  const cancelled = await makeTask(tenant, { key: "k" });
  await tenant.call("POST", "/v1/tasks/k/cancel");
  assert.equal((await tenant.call("GET", "/v1/tasks/k")).body.id, cancelled.id);

  const ran = await makeTask(tenant, { key: "k", ...AT_ONCE });
  assert.deepEqual([await keyOf(cancelled.id), await keyOf(ran.id)], [null, "k"]);
  await taken(tenant, "POST", "/v1/tasks", httpTask({ key: "k" }));
  await work(ran.runId, { state: "succeeded", result: null });
  assert.equal((await tenant.call("GET", "/v1/tasks/k")).body.state, "completed");

  const next = await makeTask(tenant, { key: "k" });
  assert.deepEqual([await keyOf(ran.id), (await tenant.call("GET", "/v1/tasks/k")).body.id], [null, next.id]);
  await tenant.call("DELETE", "/v1/tasks/k");
  const after = await makeTask(tenant);
  assert.equal((await tenant.call("PATCH", `/v1/tasks/${after.id}`, { body: { key: "k" } })).body.key, "k");
});

test("the key of a task that was removed while a run of it was open is free", async () => {
  const tenant = await newTenant();
  const { id, runId } = await makeTask(tenant, { key: "k", ...AT_ONCE });
  await work(runId, { state: "dead", error: { code: "timeout", message: "too late" } });
  await tenant.call("DELETE", "/v1/tasks/k");
  assert.equal((await db.selectFrom("tasks").select("id").where("id", "=", id).execute()).length, 1);
  assertProblem(await tenant.call("GET", "/v1/tasks/k"), 404, "not_found");
  assert.notEqual((await makeTask(tenant, { key: "k" })).id, id);
});

test("filters of runs, dead letters, redrives and bulk actions take a task's key", async () => {
  const tenant = await newTenant();
  const { id, runId } = await makeTask(tenant, { key: "k", ...AT_ONCE });
  const { runId: alien } = await makeTask(tenant, AT_ONCE);
  for (const run of [runId, alien])
    await work(run, { state: "dead", error: { code: "timeout", message: "too late" } });
  for (const path of ["/v1/runs?taskId=k", "/v1/dead-letters?taskId=k", `/v1/runs?taskId=${id}`]) {
    const { body } = await tenant.call("GET", path);
    assert.deepEqual(
      body.items.map((run: { id: string }) => run.id),
      [runId],
      path,
    );
  }
  await untilEventsSettled(store);
  const events = async (name: string) => (await tenant.call("GET", `/v1/events?taskId=${name}`)).body.items;
  assert.deepEqual(await events("k"), await events(id));
  assert.ok((await events("k")).length > 0);
  const bulk = { action: "discard", resource: "runs", filter: { taskId: "k" } };
  const dry = await tenant.call("POST", "/v1/bulk", { body: { ...bulk, dryRun: true } });
  assert.deepEqual([dry.body.matched, dry.body.filter], [1, { taskId: id }]);
  const { body } = await tenant.call("POST", "/v1/dead-letters/redrive", { body: { taskId: "k" } });
  assert.deepEqual(body, { redriven: 1 });
  for (const name of ["nobody", "a/b"]) {
    assertProblem(await tenant.call("GET", `/v1/runs?taskId=${name}`), 422, "invalid_input", ["taskId"]);
    const filter = { taskId: name };
    const named = name === "nobody" ? "taskId" : "filter.taskId";
    assertProblem(
      await tenant.call("POST", "/v1/bulk", { body: { ...bulk, filter } }),
      422,
      "invalid_input",
      [named],
    );
  }
});

test("a callback names a task by its key, and runs whichever task has it then", async () => {
  const tenant = await newTenant();
  await makeTask(tenant, { key: "tidy" });
  const on = { always: [{ task: "tidy" }] };
  assertProblem(
    await tenant.call("POST", "/v1/tasks", { body: httpTask({ on: { always: [{ task: "nobody" }] } }) }),
    422,
    "invalid_input",
    ["on.always.0.task"],
  );
  const caller = await makeTask(tenant, { key: "caller", on, ...AT_ONCE });
  assert.deepEqual(caller.on, on);
  await tenant.call("DELETE", "/v1/tasks/tidy");
  const { id } = await makeTask(tenant, { key: "tidy" });
  await work(caller.runId, { state: "succeeded", result: null });
  await makeCallbacks(store);
  // Whoever ended it may be at it still.
  await until(async () => {
    const { rowCount } = await store.pool.query("SELECT FROM run_callbacks LIMIT 1");
    return rowCount === 0 || undefined;
  });
  const { items } = (await tenant.call("GET", `/v1/runs?taskId=${id}&trigger=callback`)).body;
  assert.deepEqual(
    items.map((run: { callbackOf: string }) => run.callbackOf),
    [caller.runId],
  );
});
