import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCallbacks } from "../../core/store/callbacks/make-callbacks.ts";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, work, store } = await openApi();
const NOBODY = "00000000-0000-7000-8000-000000000000";
const HTTP = { type: "http", url: "https://example.com/hook" };
const task = (fields: object = {}) => ({ type: "http", url: "https://example.com/", ...fields }) as never;
const later = { schedule: { delay: "1h" } };

/** Runs that tell of the end of `runId`. */
async function callbacksOf(tenant: TestCaller, runId: string) {
  await makeCallbacks(store);
  // Whoever ended it may be at it still.
  await until(async () => {
    const { rowCount } = await store.pool.query("SELECT FROM run_callbacks LIMIT 1");
    return rowCount === 0 || undefined;
  });
  const { items } = (await tenant.call("GET", "/v1/runs?trigger=callback")).body;
  return items.filter(({ callbackOf }: { callbackOf: string }) => callbackOf === runId);
}

test("a task's `on` is shown as it was given, merged by a change, and null where it names nobody", async () => {
  const tenant = await newTenant();
  await tenant.call("PUT", "/v1/functions/watch", { body: { source: "export default () => 1;" } });
  const other = await tenant.call("POST", "/v1/tasks", { body: task(later) });
  assert.equal(other.body.on, null);
  const on = {
    success: [{ task: other.body.id }],
    failure: [HTTP, { type: "email", to: "ops@example.com" }],
    always: [{ type: "function", function: "watch" }],
  };
  const { body, status } = await tenant.call("POST", "/v1/tasks", { body: task({ on, ...later }) });
  assert.equal(status, 201);
  assert.deepEqual(body.on, on);
  const path = `/v1/tasks/${body.id}`;
  assert.deepEqual((await tenant.call("GET", path)).body.on, on);
  const change = async (changed: object | null) =>
    (await tenant.call("PATCH", path, { body: { on: changed } as never })).body.on;
  assert.deepEqual(await change({ always: null, skip: [HTTP] }), {
    ...{ success: on.success, failure: on.failure },
    skip: [HTTP],
  });
  assert.equal(await change(null), null);
  assert.deepEqual(await change({ failure: [] }), {});
});

test("what cannot be called is refused by its field, and nothing is made", async () => {
  const tenant = await newTenant();
  const foreign = await (await newTenant()).call("POST", "/v1/tasks", { body: task(later) });
  const bad: [unknown, string, string?][] = [
    [{ failure: HTTP }, "on.failure"],
    [{ later: [HTTP] }, "on.later"],
    [{ late: HTTP }, "on.late"],
    [{ failure: Array(11).fill(HTTP) }, "on.failure"],
    [{ failure: [{ type: "function", function: "nobody" }] }, "on.failure.0.function", "unknown_function"],
    [{ success: [{ task: NOBODY }] }, "on.success.0.task"],
    [{ success: [{ task: foreign.body.id }] }, "on.success.0.task"],
  ];
  for (const [on, field, code = "invalid_input"] of bad) {
    assertProblem(await tenant.call("POST", "/v1/tasks", { body: task({ on }) }), 422, code, [field]);
    assertProblem(await tenant.call("PUT", "/v1/settings", { body: { on } as never }), 422, code, [field]);
  }
  for (const callback of [
    { type: "http", url: "ftp://example.com" },
    { type: "email", to: "nobody" },
    { type: "sms", to: "1" },
    { task: "key" },
    {},
  ])
    assert.equal(
      (await tenant.call("POST", "/v1/tasks", { body: task({ on: { always: [callback] } }) })).status,
      422,
    );
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items, []);
  assert.deepEqual((await tenant.call("GET", "/v1/settings")).body, { on: null });
});

test("the settings hold for tasks that name nobody, until null clears them; none may be left out", async () => {
  const tenant = await newTenant();
  const on = { failure: [HTTP] };
  const set = await tenant.call("PUT", "/v1/settings", { body: { on } });
  assert.deepEqual([set.status, set.body], [200, { on }]);
  assert.deepEqual((await tenant.call("GET", "/v1/settings")).body, { on });
  const { runId } = (await tenant.call("POST", "/v1/tasks", { body: task() })).body;
  await work(runId, { state: "failed", error: SAMPLE_ERROR });
  assert.equal((await callbacksOf(tenant, runId)).length, 1);
  assertProblem(await tenant.call("PUT", "/v1/settings", { body: {} }), 422, "invalid_input", ["on"]);
  assert.deepEqual((await tenant.call("GET", "/v1/settings")).body, { on });
  const cleared = await tenant.call("PUT", "/v1/settings", { body: { on: null } });
  assert.deepEqual([cleared.status, cleared.body], [200, { on: null }]);
  const reader = await newCaller(tenant.namespaceId, ["read", "write", "deploy", "invoke"]);
  assert.equal((await reader.call("GET", "/v1/settings")).status, 200);
  assertProblem(await reader.call("PUT", "/v1/settings", { body: { on } }), 403, "forbidden");
});

test("a cancel and a discard by the API call too, and a callback can be cancelled and replayed", async () => {
  const tenant = await newTenant();
  const make = async () =>
    (await tenant.call("POST", "/v1/tasks", { body: task({ on: { always: [HTTP] } }) })).body.runId as string;
  const cancelled = await make();
  await tenant.call("POST", `/v1/runs/${cancelled}/cancel`);
  const [callback, ...others] = await callbacksOf(tenant, cancelled);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [callback.trigger, callback.type, callback.taskId, callback.state],
    ["callback", "http", null, "queued"],
  );

  const dead = await make();
  await work(dead, { state: "dead", error: SAMPLE_ERROR });
  assert.equal((await tenant.call("DELETE", `/v1/dead-letters/${dead}`)).status, 204);
  assert.equal((await callbacksOf(tenant, dead)).length, 1);

  assert.equal((await tenant.call("POST", `/v1/runs/${callback.id}/cancel`)).body.state, "cancelled");
  const path = `/v1/runs/${callback.id}/replay`;
  assertProblem(await tenant.call("POST", path, { body: { input: 1 } }), 422, "invalid_input", ["input"]);
  const replayed = await tenant.call("POST", path);
  assert.equal(replayed.status, 202);
  assert.deepEqual([replayed.body.replayOf, replayed.body.callbackOf], [callback.id, null]);
  const { spec } = await work(replayed.body.id, { state: "succeeded", result: null });
  assert.ok(spec.type === "http");
  const { type, data } = spec.body as { type: string; data: { id: string } };
  assert.deepEqual([spec.url, type, data.id], [HTTP.url, "bellhop.run.cancelled", cancelled]);
});
