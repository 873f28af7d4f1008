/** `PUT /v1/tasks/{key}`: a task is what its caller says, however often that is said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimRuns } from "../../core/store/runs/claim.ts";
import { makeWorker } from "../../core/store/testing/samples.ts";
import { stageDueTasks } from "../../core/store/testing/stage-runs.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, work, store, db, bells } = await openApi();
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
const put = (tenant: TestCaller, path: string, fields: object = {}) =>
  tenant.call("PUT", `/v1/tasks/${path}`, { body: { ...TASK, ...fields } as never });
const count = async (tenant: TestCaller) => (await tenant.call("GET", "/v1/tasks")).body.items.length;

test("the first makes the task, the same once more changes nothing, another one replaces the whole", async () => {
  const tenant = await newTenant();
  const made = await put(tenant, "nightly", { name: "report", labels: { app: "billing" } });
  assert.deepEqual([made.status, made.body.key], [201, "nightly"]);
  assert.equal(made.headers.get("location"), `/v1/tasks/${made.body.id}`);
  const again = await put(tenant, "nightly", { labels: { app: "billing" }, name: "report", key: "nightly" });
  assert.deepEqual([again.status, again.body], [200, made.body], "not even touched");
  const { status, body } = await put(tenant, "nightly", { timeout: "2m" });
  assert.equal(status, 200);
  assert.deepEqual([body.id, body.name, body.labels, body.timeout], [made.body.id, null, {}, "2m"]);
  assert.equal(await count(tenant), 1);
});

test("null is the default of its field, so that what an answer shows can be sent back", async () => {
  const tenant = await newTenant();
  const given = { overlap: "wait", timeout: "2m", labels: { app: "billing" }, retry: { maxAttempts: 1 } };
  await put(tenant, "k", { ...given, schedule: "every 1h" });
  const nulls = Object.fromEntries(
    ["overlap", "timeout", "labels", "retry", "deadLetter", "queue", "priority", "schedule", "catchUp"].map(
      (name) => [name, null],
    ),
  );
  const { status, body } = await put(tenant, "k", nulls);
  const { body: plain } = await put(tenant, "plain", { schedule: null });
  const shown = (task: typeof body) => Object.keys(nulls).map((name) => task[name]);
  assert.deepEqual([status, ...shown(body)], [200, ...shown(plain)]);
  assertProblem(await put(tenant, "k", { colour: null }), 422, "invalid_input", ["colour"]);
});

test("a schedule in another system's form is the same as in ours", async () => {
  const tenant = await newTenant();
  const { body: made } = await put(tenant, "k", { schedule: "@every 5m" });
  const { body: again } = await put(tenant, "k", { schedule: { every: "5m" } });
  assert.deepEqual(again, made, "not even touched");
});

test("a schedule that is the same keeps its grid and what is staged of it; another one begins anew", async () => {
  const tenant = await newTenant();
  const { body: made } = await put(tenant, "k");
  const ahead = new Date(Date.now() + 2 * 3_600_000);
  const staged = await stageDueTasks(store, new Date(), ahead, 100);
  assert.ok(staged.length > 0);
  const stagedRuns = () => tenant.call("GET", "/v1/tasks/k/runs");
  const before = (await stagedRuns()).body;
  assert.equal((await put(tenant, "k")).status, 200);
  assert.deepEqual((await stagedRuns()).body, before);
  const renamed = await put(tenant, "k", { name: "n", schedule: { every: "60m" } });
  assert.equal(renamed.body.nextRunAt, made.nextRunAt, "staged or not, it is the next instant");
  const { body } = await put(tenant, "k", { schedule: { every: "2h" } });
  assert.ok(Date.parse(body.nextRunAt) > Date.parse(made.nextRunAt) + 3_000_000);
});

test("a pause stays, and so does an end: what lies in the past is no fault of a schedule that stays", async () => {
  const tenant = await newTenant();
  await put(tenant, "k");
  await tenant.call("POST", "/v1/tasks/k/pause");
  for (const fields of [{}, { name: "n" }, { schedule: { every: "2h" } }])
    assert.equal((await put(tenant, "k", fields)).body.state, "paused");

  const at = new Date(Date.now() + 60_000).toISOString();
  const once = { schedule: { at } };
  const { body: made } = await put(tenant, "once", once);
  const past = new Date(Date.now() - 3_600_000);
  const stored = JSON.stringify({ ...(await scheduleOf(made.id)), at: past.toISOString() });
  await store.pool.query(
    "UPDATE tasks SET state = 'completed', next_run_at = NULL, schedule = $2 WHERE id = $1",
    [made.id, stored],
  );
  const same = await put(tenant, "once", { schedule: { at: past.toISOString() } });
  assert.deepEqual([same.status, same.body.state], [200, "completed"]);
  const renamed = await put(tenant, "once", { schedule: { at: past.toISOString() }, name: "n" });
  assert.deepEqual([renamed.status, renamed.body.state, renamed.body.name], [200, "completed", "n"]);
  const other = { schedule: { at: new Date(past.getTime() - 1_000).toISOString() } };
  assertProblem(await put(tenant, "once", other), 422, "invalid_input", ["schedule.at"]);
  assert.equal((await put(tenant, "once", once)).body.state, "active", "another schedule begins it anew");
});

async function scheduleOf(id: string) {
  const row = await db.selectFrom("tasks").select("schedule").where("id", "=", id).executeTakeFirstOrThrow();
  return row.schedule;
}

test("a task that runs at once runs once, however often it is put, until it is cancelled", async () => {
  const tenant = await newTenant();
  const atOnce = { schedule: undefined };
  const first = await put(tenant, "k", atOnce);
  await bells.waitFor(({ runId }) => runId === first.body.runId);
  await work(first.body.runId, { state: "succeeded", result: null });
  const again = await put(tenant, "k", atOnce);
  assert.deepEqual([again.status, again.body.id, again.body.state], [200, first.body.id, "completed"]);
  assert.equal((await tenant.call("GET", "/v1/tasks/k/runs")).body.items.length, 1);
  await tenant.call("POST", "/v1/tasks/k/cancel");
  const anew = await put(tenant, "k", atOnce);
  assert.equal(anew.status, 201);
  assert.notEqual(anew.body.id, first.body.id);
  assert.equal((await tenant.call("GET", "/v1/tasks/k")).body.id, anew.body.id);
});

test("a run that waits is run with what is put, and is rung", async () => {
  const tenant = await newTenant();
  await put(tenant, "k");
  const { body: run } = await tenant.call("POST", "/v1/tasks/k/run");
  const rung = bells.waitFor(({ runId }) => runId === run.id);
  await put(tenant, "k", { url: "https://example.com/new" });
  await rung;
  const [claimed] = await claimRuns(store, await makeWorker(db), [run.id]);
  assert.equal(claimed?.spec.type === "http" && claimed.spec.url, "https://example.com/new");
});

test("a dry run says what would be done, and does nothing", async () => {
  const tenant = await newTenant();
  const made = await put(tenant, "k?dryRun=true", { name: "report" });
  assert.equal(made.status, 200);
  const { change, diff, task } = made.body;
  assert.deepEqual([change, task.id, task.key, task.name], ["created", null, "k", "report"]);
  assert.ok(
    diff.some(({ field, to }: { field: string; to: unknown }) => field === "name" && to === "report"),
  );
  assert.equal(await count(tenant), 0);

  const { body: before } = await put(tenant, "k");
  assert.deepEqual((await put(tenant, "k?dryRun=true")).body, {
    change: "unchanged",
    diff: [],
    task: before,
  });
  const changed = await put(tenant, "k?dryRun=true", { timeout: "2m", schedule: { every: "2h" } });
  assert.deepEqual(changed.body.diff, [
    { field: "schedule.every", from: "1h", to: "2h" },
    { field: "timeout", from: "30s", to: "2m" },
  ]);
  assert.equal(changed.body.task.timeout, "2m");
  assert.deepEqual((await tenant.call("GET", "/v1/tasks/k")).body, before);
  assertProblem(await put(tenant, "k?dryRun=true", { url: "x" }), 422, "invalid_input", ["url"]);
  assertProblem(await put(tenant, "k?dryRun=maybe"), 422, "invalid_input", ["dryRun"]);
});

test("the body of an http task is put to the letter", async () => {
  const tenant = await newTenant();
  const text = (body: string) =>
    `{"type":"http","url":"https://example.com/","body":${body},"schedule":"@daily"}`;
  const putText = (body: string, query = "") =>
    tenant.call("PUT", `/v1/tasks/k${query}`, { body: text(body) as never });
  assert.equal((await putText("[1, 2.0]")).status, 201);
  assert.equal((await putText("[1, 2.0]", "?dryRun=true")).body.change, "unchanged");
  assert.equal((await putText("[1,2.0]", "?dryRun=true")).body.change, "updated");
});

test("by an id a task that is there is redefined, and keeps its key unless it is given another", async () => {
  const tenant = await newTenant();
  const { body: made } = await put(tenant, "k");
  assert.deepEqual(
    [
      (await put(tenant, made.id, { name: "n" })).body.key,
      (await put(tenant, made.id, { key: "l" })).body.key,
    ],
    ["k", "l"],
  );
  assertProblem(await put(tenant, "01a20a22-ed46-778f-b69a-117fc6f8a959"), 404, "not_found");
  assertProblem(await put(await newTenant(), made.id), 404, "not_found");
  await tenant.call("POST", "/v1/tasks/l/cancel");
  assertProblem(await put(tenant, made.id, { name: "m" }), 409, "task_cancelled");
});

test("what cannot be put is refused by its field, and changes nothing", async () => {
  const tenant = await newTenant();
  const { body: before } = await put(tenant, "k");
  for (const [path, fields, field, code] of [
    ["k", { key: "other" }, "key"],
    ["-k", {}, "key"],
    ["apply", {}, "key"],
    ["k", { type: "email", to: "a@example.com", subject: "s", body: "b", url: undefined }, "type"],
    ["k", { colour: "blue" }, "colour"],
    ["k", { dedup: { window: "1m" } }, "dedup"],
    ["k", { schedule: { every: "1ms" } }, "schedule.every"],
    ["new", { on: { failure: [{ task: "nobody" }] } }, "on.failure.0.task"],
    ["new", { type: "function", url: undefined, function: "nobody" }, "function", "unknown_function"],
  ] as [string, object, string, string?][])
    assertProblem(await put(tenant, path, fields), 422, code ?? "invalid_input", [field]);
  assertProblem(await tenant.call("PUT", "/v1/tasks/k", { body: [] }), 422, "invalid_input");
  assert.deepEqual((await tenant.call("GET", "/v1/tasks/k")).body, before);
  assert.equal(await count(tenant), 1);
  const reader = await newCaller(tenant.namespaceId, ["read"]);
  assertProblem(await put(reader, "k"), 403, "forbidden");
});

test("a task may name itself in its callbacks from the start", async () => {
  const tenant = await newTenant();
  const on = { success: [{ task: "k" }] };
  assert.deepEqual((await put(tenant, "k", { on })).body.on, on);
});

test("many who put one key at once make one task, and nobody is refused", async () => {
  const tenant = await newTenant();
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => put(tenant, "k", { name: `n${index}` })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(7).fill(200), 201]);
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
  assert.equal(await count(tenant), 1);
});
