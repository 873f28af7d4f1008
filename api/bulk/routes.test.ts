import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import type { Json } from "../../core/json.ts";
import { driveBulkBatch } from "../../core/store/bulk/drive.ts";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

const bulk = (caller: TestCaller, body: Record<string, Json>, headers = {}) =>
  caller.call("POST", "/v1/bulk", { body, headers });

/** As the scheduler does, without a rest. */
async function driveAll(): Promise<void> {
  const { functionCaps } = DEFAULT_SETTINGS;
  for (;;) {
    const { kind } = await driveBulkBatch(api.store, { clock: systemClock, functionCaps });
    if (kind === "idle") return;
    await api.store.pool.query("UPDATE bulk_actions SET next_batch_at = now() WHERE state = 'running'");
  }
}

const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };

async function makeTasks(tenant: TestCaller, ...given: Record<string, Json>[]): Promise<string[]> {
  const items = given.map((each) => ({ ...TASK, ...each }));
  const { body } = await tenant.call("POST", "/v1/tasks/batch", { body: { items } });
  return body.items.map(({ task }: { task: { id: string } }) => task.id);
}

const states = async (tenant: TestCaller, ids: string[]) => {
  const states: string[] = [];
  for (const id of ids) states.push((await tenant.call("GET", `/v1/tasks/${id}`)).body.state);
  return states;
};

test("a bulk action is answered while it runs, and read until it is over", async () => {
  const tenant = await api.newTenant();
  const ids = await makeTasks(
    tenant,
    { labels: { app: "billing" } },
    { labels: { app: "billing" } },
    { labels: { app: "shop" } },
  );
  const filter = { label: "app=billing", nextAfter: "2020-01-01T00:00:00Z" };
  const { status, body, headers } = await bulk(tenant, { action: "pause", resource: "tasks", filter });
  assert.equal(status, 202);
  assert.deepEqual([body.state, body.matched, body.done, body.failed], ["running", 0, 0, 0]);
  assert.deepEqual(body.filter, { label: ["app=billing"], nextAfter: "2020-01-01T00:00:00.000Z" });
  assert.equal(headers.get("location"), `/v1/bulk/${body.id}`);
  assert.deepEqual((await tenant.call("GET", `/v1/bulk/${body.id}`)).body, body);
  await driveAll();
  const { body: over } = await tenant.call("GET", `/v1/bulk/${body.id}`);
  assert.deepEqual([over.state, over.matched, over.done, over.failed], ["succeeded", 2, 2, 0]);
  assert.ok(over.finishedAt);
  assert.deepEqual(await states(tenant, ids), ["paused", "paused", "active"]);
});

test("a dry run counts what matches, changes nothing and leaves nothing", async () => {
  const tenant = await api.newTenant();
  const ids = await makeTasks(tenant, { name: "a" }, { name: "b" });
  const before = await api.countRows();
  const given = { action: "cancel", resource: "tasks", filter: { name: "a" }, dryRun: true };
  const { status, body } = await bulk(tenant, given);
  assert.equal(status, 200);
  assert.deepEqual(body, {
    ...{ id: null, action: "cancel", resource: "tasks", filter: { name: "a" }, state: "succeeded" },
    ...{ matched: 1, done: 0, failed: 0 },
  });
  await driveAll();
  assert.deepEqual(await api.countRows(), before);
  assert.deepEqual(await states(tenant, ids), ["active", "active"]);
  assert.deepEqual((await tenant.call("GET", "/v1/bulk")).body, { items: [], nextCursor: null });
});

test("what fails counts, with the reason that its own route would give", async () => {
  const tenant = await api.newTenant();
  const [, cancelled] = await makeTasks(tenant, {}, {});
  await tenant.call("POST", `/v1/tasks/${cancelled}/cancel`);
  const { body } = await bulk(tenant, { action: "run", resource: "tasks", filter: {} });
  await driveAll();
  const { body: over } = await tenant.call("GET", `/v1/bulk/${body.id}`);
  assert.deepEqual([over.state, over.matched, over.done, over.failed], ["succeeded", 2, 1, 1]);
  const own = await tenant.call("POST", `/v1/tasks/${cancelled}/run`);
  assert.deepEqual(over.failures, [{ id: cancelled, code: own.body.code, message: own.body.detail }]);
});

test("failed runs are replayed and dead letters redriven by their error", async () => {
  const tenant = await api.newTenant();
  const [task] = await makeTasks(tenant, {});
  const runs: string[] = [];
  for (const state of ["failed", "dead", "dead"] as const) {
    const { body: run } = await tenant.call("POST", `/v1/tasks/${task}/run`);
    await api.work(run.id, { state, error: SAMPLE_ERROR });
    runs.push(run.id);
  }
  const errorCode = SAMPLE_ERROR.code;
  await bulk(tenant, { action: "replay", resource: "runs", filter: { errorCode, state: "failed" } });
  await bulk(tenant, { action: "redrive", resource: "runs", filter: { errorCode } });
  await driveAll();
  const { body: page } = await tenant.call("GET", "/v1/bulk");
  assert.deepEqual(
    page.items.map(({ action, done, failed }: Record<string, unknown>) => [action, done, failed]),
    [
      ["redrive", 2, 0],
      ["replay", 1, 0],
    ],
  );
  const { body: queued } = await tenant.call("GET", "/v1/runs?state=queued");
  assert.equal(queued.items.length, 3);
  assert.equal(queued.items[0].replayOf, runs[0]);
});

test("what cannot be asked is refused by its field, with what would be right, and nothing is recorded", async () => {
  const tenant = await api.newTenant();
  for (const [given, field, message] of [
    [{ action: "cancel", resource: "tasks" }, "filter", /is needed/],
    [{ action: "cancel", resource: "workers", filter: {} }, "resource", /tasks, runs/],
    [{ action: "replay", resource: "tasks", filter: {} }, "action", /one of cancel, .*: replay is for runs$/],
    [{ action: "pause", resource: "runs", filter: {} }, "action", /one of cancel, .*: pause is for tasks$/],
    [
      { action: "explode", resource: "runs", filter: {} },
      "action",
      /one of cancel, replay, redrive, discard$/,
    ],
    [{ action: "cancel", resource: "runs", filter: { label: "a=b" } }, "filter.label", /unknown field/],
    [{ action: "cancel", resource: "tasks", filter: { state: "queued" } }, "filter.state.0", /one of active/],
    [{ action: "cancel", resource: "runs", filter: { from: "yesterday" } }, "filter.from", /RFC 3339/],
    [{ action: "cancel", resource: "runs", filter: {}, dryRun: "yes" }, "dryRun", /true or false/],
  ] as const) {
    const answer = await bulk(tenant, given as never);
    assertProblem(answer, 422, "invalid_input");
    assert.equal(answer.body.errors[0].field, field);
    assert.match(answer.body.errors[0].message, message);
  }
  assert.deepEqual((await tenant.call("GET", "/v1/bulk")).body.items, []);
});

test("an abort ends it where it stands; one that is over cannot be aborted", async () => {
  const tenant = await api.newTenant();
  await makeTasks(tenant, {});
  const { body } = await bulk(tenant, { action: "pause", resource: "tasks", filter: {} });
  const abort = () => tenant.call("POST", `/v1/bulk/${body.id}/abort`);
  const aborted = await abort();
  assert.deepEqual([aborted.status, aborted.body.state, aborted.body.done], [200, "aborted", 0]);
  await driveAll();
  assert.deepEqual((await abort()).body, aborted.body);
  const { body: other } = await bulk(tenant, { action: "pause", resource: "tasks", filter: {} });
  await driveAll();
  assertProblem(await tenant.call("POST", `/v1/bulk/${other.id}/abort`), 409, "bulk_action_ended");
});

test("ten of a namespace run at once; the next is a 429, and another namespace's is taken", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  const given = { action: "pause", resource: "tasks", filter: {} };
  for (let asked = 0; asked < 10; asked += 1) assert.equal((await bulk(tenant, given)).status, 202);
  const refused = await bulk(tenant, given);
  assertProblem(refused, 429, "too_many_bulk_actions");
  assert.match(refused.body.detail, /at most 10 /);
  assert.equal((await bulk(stranger, given)).status, 202);
  assert.equal((await bulk(tenant, { ...given, dryRun: true })).status, 200);
  await driveAll();
  assert.equal((await bulk(tenant, given)).status, 202);
  await driveAll();
});

test("the list is newest first, in pages", async () => {
  const tenant = await api.newTenant();
  const ids: string[] = [];
  for (let asked = 0; asked < 3; asked += 1)
    ids.push((await bulk(tenant, { action: "pause", resource: "tasks", filter: {} })).body.id);
  const { body: first } = await tenant.call("GET", "/v1/bulk?limit=2");
  const { body: rest } = await tenant.call("GET", `/v1/bulk?limit=2&cursor=${first.nextCursor}`);
  const listed = [...first.items, ...rest.items].map(({ id }) => id);
  assert.deepEqual([listed, rest.nextCursor], [ids.toReversed(), null]);
  await driveAll();
});

test("the same request with its key is one bulk action; another one is refused", async () => {
  const tenant = await api.newTenant();
  const headers = { "idempotency-key": "stop-all" };
  const given = { action: "pause", resource: "tasks", filter: {} };
  const first = await bulk(tenant, given, headers);
  const again = await bulk(tenant, given, headers);
  assert.deepEqual([again.status, again.body.id], [202, first.body.id]);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assertProblem(await bulk(tenant, { ...given, action: "resume" }, headers), 422, "idempotency_key_reused");
  await driveAll();
});

test("another namespace's bulk action is not there", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  const { body } = await bulk(tenant, { action: "pause", resource: "tasks", filter: {} });
  for (const [method, path] of [
    ["GET", `/v1/bulk/${body.id}`],
    ["POST", `/v1/bulk/${body.id}/abort`],
    ["GET", "/v1/bulk/nonsense"],
  ] as const)
    assertProblem(await stranger.call(method, path), 404, "not_found");
  assert.deepEqual((await stranger.call("GET", "/v1/bulk")).body.items, []);
  await driveAll();
});

test("it needs the scope write, and to make runs the scope invoke besides", async () => {
  const { namespaceId } = await api.newTenant();
  const [reader, writer, both] = [
    await api.newCaller(namespaceId, ["read"]),
    await api.newCaller(namespaceId, ["write"]),
    await api.newCaller(namespaceId, ["write", "invoke"]),
  ];
  const given = { resource: "tasks", filter: {} };
  assertProblem(await bulk(reader, { ...given, action: "pause" }), 403, "forbidden");
  assertProblem(await bulk(writer, { ...given, action: "run" }), 403, "forbidden");
  assertProblem(await bulk(writer, { action: "replay", resource: "runs", filter: {} }), 403, "forbidden");
  assert.equal((await bulk(writer, { ...given, action: "pause" })).status, 202);
  assert.equal((await bulk(both, { ...given, action: "run" })).status, 202);
  await driveAll();
});
