/** Runs for instants of a task that have passed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import type { JsonObject } from "../../core/json.ts";
import { driveBulkBatch } from "../../core/store/bulk/drive.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const TASK = { type: "http", url: "https://example.com/", schedule: { cron: "0 9 * * *" } };
const WEEK = { from: "2026-03-01T09:00:00Z", to: "2026-03-08T09:00:00Z" };

const makeTask = async (tenant: TestCaller, more: JsonObject = {}): Promise<string> =>
  (await tenant.call("POST", "/v1/tasks", { body: { ...TASK, ...more } })).body.id;

const backfill = (tenant: TestCaller, task: string, body: JsonObject, headers = {}) =>
  tenant.call("POST", `/v1/tasks/${task}/backfill`, { body, headers });

const isOver = async (tenant: TestCaller, id: string) =>
  (await tenant.call("GET", `/v1/bulk/${id}`)).body.state !== "running";

async function driveUntilOver(tenant: TestCaller, id: string): Promise<void> {
  while (!(await isOver(tenant, id))) {
    await api.store.pool.query("UPDATE bulk_actions SET next_batch_at = now() WHERE state = 'running'");
    await driveBulkBatch(api.store, { clock: systemClock, functionCaps: DEFAULT_SETTINGS.functionCaps });
  }
}

test("a backfill is a bulk action: answered while it runs, listed, read until it is over", async () => {
  const tenant = await api.newTenant();
  const id = await makeTask(tenant, { key: "daily" });
  const { status, body, headers } = await backfill(tenant, "daily", { ...WEEK, overlap: "allow" });
  assert.equal(status, 202, JSON.stringify(body));
  assert.equal(headers.get("location"), `/v1/bulk/${body.id}`);
  assert.deepEqual(
    [body.action, body.resource, body.filter, body.state, body.matched],
    ["backfill", "tasks", { taskId: id }, "running", 0],
  );
  const range = { from: "2026-03-01T09:00:00.000Z", to: "2026-03-08T09:00:00.000Z" };
  assert.deepEqual(body.backfill, { ...range, overlap: "allow", max: 500, instants: 7 });
  assert.deepEqual((await tenant.call("GET", "/v1/bulk")).body.items, [body]);
  await driveUntilOver(tenant, body.id);
  const { body: over } = await tenant.call("GET", `/v1/bulk/${body.id}`);
  assert.deepEqual([over.state, over.matched, over.done, over.failed], ["succeeded", 7, 7, 0]);
  const { body: runs } = await tenant.call("GET", `/v1/tasks/daily/runs?trigger=backfill&order=asc`);
  const days = runs.items.map(({ scheduledFor }: { scheduledFor: string }) => scheduledFor);
  assert.deepEqual(
    days,
    [1, 2, 3, 4, 5, 6, 7].map((day) => `2026-03-0${day}T09:00:00.000Z`),
  );
});

test("a dry run counts the instants, and leaves nothing", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant);
  const before = await api.countRows();
  const { status, body } = await backfill(tenant, taskId, { ...WEEK, dryRun: true });
  assert.deepEqual([status, body.id, body.matched, body.backfill.instants], [200, null, 7, 7]);
  assert.deepEqual(await api.countRows(), before);
});

test("more instants than max, and what cannot be, is refused by its field before anything is made", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant);
  const before = await api.countRows();
  const refused: [JsonObject, string][] = [
    [{ ...WEEK, max: 6 }, "max"],
    [{ ...WEEK, max: 0 }, "max"],
    [{ ...WEEK, max: 10_001 }, "max"],
    [{ from: "2024-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z" }, "max"],
    [{ ...WEEK, overlap: "skip" }, "overlap"],
    [{ ...WEEK, overlap: "cancel-previous" }, "overlap"],
    [{ ...WEEK, to: WEEK.from }, "to"],
    [{ ...WEEK, to: new Date(Date.now() + 60_000).toISOString() }, "to"],
    [{ ...WEEK, from: "1899-12-31T00:00:00Z" }, "from"],
    [{ to: WEEK.to }, "from"],
    [{ ...WEEK, until: WEEK.to }, "until"],
  ];
  for (const [body, field] of refused)
    assertProblem(await backfill(tenant, taskId, body), 422, "invalid_input", [field]);
  const skip = await backfill(tenant, taskId, { ...WEEK, overlap: "skip" });
  assert.match(skip.body.detail, /must be one of allow, wait: every instant of a backfill becomes a run/);
  const tooMany = await backfill(tenant, taskId, { ...WEEK, max: 6 });
  assert.match(tooMany.body.detail, /more than 6 instants .* at most 2026-03-07T09:00:00.000Z/);
  assertProblem(await backfill(tenant, "unknown", WEEK), 404, "not_found");
  assertProblem(await backfill(await api.newTenant(), taskId, WEEK), 404, "not_found");
  await tenant.call("POST", `/v1/tasks/${taskId}/cancel`);
  assertProblem(await backfill(tenant, taskId, WEEK), 409, "task_cancelled");
  assert.deepEqual(await api.countRows(), before);
});

test("its overlap is the task's own where runs of it may overlap, else one waits for the other", async () => {
  const tenant = await api.newTenant();
  for (const [overlap, chosen] of [
    ["allow", "allow"],
    ["skip", "wait"],
    ["cancel-previous", "wait"],
  ] as const) {
    const { body } = await backfill(tenant, await makeTask(tenant, { overlap }), { ...WEEK, dryRun: true });
    assert.equal(body.backfill.overlap, chosen);
  }
});

test("an instant gets a run again; the same request under an idempotency key does not", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant);
  const given = { ...WEEK, overlap: "allow" };
  const key = { "idempotency-key": "backfill-march" };
  const first = await backfill(tenant, taskId, given, key);
  const again = await backfill(tenant, taskId, given, key);
  assert.equal(again.body.id, first.body.id);
  const anew = await backfill(tenant, taskId, given);
  for (const { body } of [first, anew]) await driveUntilOver(tenant, body.id);
  const { body: runs } = await tenant.call("GET", `/v1/tasks/${taskId}/runs?trigger=backfill`);
  assert.equal(runs.items.length, 14);
});

test("who may not make runs may not backfill", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant);
  const writer = await api.newCaller(tenant.namespaceId, ["write"]);
  assertProblem(await backfill(writer, taskId, WEEK), 403, "forbidden");
});
