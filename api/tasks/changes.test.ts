/** `GET /v1/tasks/{id}/changes`: who did what to a task, and when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { MAX_KEPT_CHANGES } from "../../core/domain/task-change.ts";
import { driveBulkBatch } from "../../core/store/bulk/drive.ts";
import { newId } from "../../core/store/ids.ts";
import { recordChanges } from "../../core/store/tasks/changes.ts";
import { pauseTask, pauseTaskIn } from "../../core/store/tasks/pause-resume.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, store } = await openApi();
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
const put = (tenant: TestCaller, fields: object = {}) =>
  tenant.call("PUT", "/v1/tasks/k", { body: { ...TASK, ...fields } as never });

interface Shown {
  id: string;
  change: string;
  at: string;
  by: { keyId: string; name: string } | null;
  reason?: string;
  diff: unknown[];
}
const changesOf = async (tenant: TestCaller, path = "k"): Promise<Shown[]> =>
  (await tenant.call("GET", `/v1/tasks/${path}/changes`)).body.items;
const told = ({ change, diff }: Shown) => [change, diff];

test("each change is told, newest first, with who did it and what differs", async () => {
  const tenant = await newTenant();
  const deployer = await newCaller(tenant.namespaceId, ["write"]);
  await put(tenant, { headers: { "X-Token": "abc" } });
  await put(tenant, { headers: { "X-Token": "abc" } });
  await put(deployer, { headers: { "X-Token": "abc" }, timeout: "2m" });
  await tenant.call("PATCH", "/v1/tasks/k", { body: { headers: { "X-Token": "{{secrets.NONE}}" } } });
  await tenant.call("PATCH", "/v1/tasks/k", { body: { name: "n", schedule: { every: "1h" } } });
  await tenant.call("PATCH", "/v1/tasks/k", { body: { name: "n" } });
  for (const act of ["pause", "pause", "resume", "resume", "cancel", "cancel"])
    await tenant.call("POST", `/v1/tasks/k/${act}`);
  const changes = await changesOf(tenant);
  assert.deepEqual(changes.map(told), [
    ["cancelled", []],
    ["resumed", []],
    ["paused", []],
    [
      "changed",
      [
        { field: "name", from: null, to: "n" },
        { field: "schedule", from: { every: "1h" }, to: { every: "1h" } },
      ],
    ],
    ["changed", [{ field: "timeout", from: "30s", to: "2m" }]],
    ["created", []],
  ]);
  assert.equal(changes[2]?.reason, "requested");
  const [admin, writer] = [changes[5]!.by, changes[4]!.by];
  assert.ok(admin && writer && admin.keyId !== writer.keyId);
  assert.equal(admin.name, "test");
  assert.deepEqual(
    changes.map(({ by }) => by?.keyId === admin.keyId),
    [true, true, true, true, false, true],
  );
  assert.deepEqual(
    changes
      .map(({ at }) => at)
      .toSorted()
      .toReversed(),
    changes.map(({ at }) => at),
  );
  assert.equal(changes[5]?.at, (await tenant.call("GET", "/v1/tasks/k")).body.createdAt);
});

test("a pause that nobody asked for says why, and a bulk action is its caller's", async () => {
  const tenant = await newTenant();
  const { body } = await put(tenant);
  await inTransaction(store.pool, async (tx) => {
    await pauseTaskIn(tx, tenant.namespaceId, body.id, new Date(), "failures");
  });
  await tenant.call("POST", "/v1/bulk", { body: { action: "resume", resource: "tasks", filter: {} } });
  await driveBulkBatch(store, { clock: systemClock, functionCaps: DEFAULT_SETTINGS.functionCaps });
  const [resumed, paused, created] = await changesOf(tenant);
  assert.deepEqual([paused?.change, paused?.by, paused?.reason], ["paused", null, "failures"]);
  assert.deepEqual([resumed?.change, resumed?.by], ["resumed", created?.by]);
});

test("the history is paged to its beginning, and is nobody else's", async () => {
  const tenant = await newTenant();
  await put(tenant);
  for (let index = 0; index < 4; index += 1) await put(tenant, { name: `n${index}` });
  const seen: string[] = [];
  for (let path: string | null = "?limit=2"; path !== null; ) {
    const { body } = await tenant.call("GET", `/v1/tasks/k/changes${path}`);
    seen.push(...body.items.map(({ id }: Shown) => id));
    path = body.nextCursor && `?limit=2&cursor=${body.nextCursor}`;
  }
  assert.deepEqual(
    seen,
    (await changesOf(tenant)).map(({ id }) => id),
  );
  assert.equal(seen.length, 5);
  const { id } = (await tenant.call("GET", "/v1/tasks/k")).body;
  assertProblem(await (await newTenant()).call("GET", `/v1/tasks/${id}/changes`), 404, "not_found");
  await tenant.call("DELETE", "/v1/tasks/k");
  assertProblem(await tenant.call("GET", `/v1/tasks/${id}/changes`), 404, "not_found");
  const { rows } = await store.pool.query("SELECT FROM task_changes WHERE task_id = $1", [id]);
  assert.equal(rows.length, 0, "it goes with its task");
});

test("a change that is refused leaves nothing in the history", async () => {
  const tenant = await newTenant();
  await put(tenant);
  await tenant.call("PUT", "/v1/tasks/other", { body: TASK as never });
  await tenant.call("PATCH", "/v1/tasks/k", { body: { key: "other" } });
  await put(tenant, { url: "nowhere" });
  await tenant.call("PUT", "/v1/tasks/k?dryRun=true", { body: { ...TASK, name: "n" } as never });
  assert.deepEqual((await changesOf(tenant)).map(told), [["created", []]]);
});

test("of the changes of a task the newest are kept", async () => {
  const tenant = await newTenant();
  const { id } = (await put(tenant)).body;
  const { id: other } = (await tenant.call("PUT", "/v1/tasks/other", { body: TASK as never })).body;
  await pauseTask(store, tenant.namespaceId, other, new Date());
  const ids = Array.from({ length: MAX_KEPT_CHANGES }, () => newId());
  await store.pool.query(
    `INSERT INTO task_changes (id, task_id, change, at) SELECT each, $2, 'changed', now() FROM unnest($1::uuid[]) AS each`,
    [ids, id],
  );
  await inTransaction(store.pool, async (tx) => {
    await recordChanges(tx, [{ taskId: id, change: "resumed" }], new Date(), null);
  });
  const { rows } = await store.pool.query<{ id: string }>(
    "SELECT id FROM task_changes WHERE task_id = $1 ORDER BY id",
    [id],
  );
  assert.equal(rows.length, MAX_KEPT_CHANGES);
  assert.equal(rows[0]?.id, ids[1], "the oldest went");
  assert.equal((await changesOf(tenant, "other")).length, 2);
});
