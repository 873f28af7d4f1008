import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { Json } from "../../core/json.ts";
import { stageDueTasks } from "../../core/store/testing/stage-runs.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/hook" } as const;
const EVERY = { ...HTTP, schedule: { every: "1h" } } as const;
const isoIn = (ms: number) => new Date(Date.now() + ms).toISOString();
const isNear = (iso: string, ms: number) => Math.abs(Date.parse(iso) - Date.now() - ms) < 5_000;

test("a task without a schedule is made with its run, which is rung", async () => {
  const tenant = await api.newTenant();
  const { status, headers, body: task } = await tenant.call("POST", "/v1/tasks", { body: HTTP });
  assert.equal(status, 201);
  assert.equal(headers.get("location"), `/v1/tasks/${task.id}`);
  const { createdAt, updatedAt, ...rest } = task;
  assert.equal(createdAt, updatedAt);
  assert.ok(isNear(createdAt, 0));
  assert.deepEqual(rest, {
    id: task.id,
    key: null,
    runId: task.runId,
    state: "active",
    schedule: null,
    ...HTTP,
    method: "GET",
    headers: {},
    followRedirects: true,
    name: null,
    retry: { maxAttempts: 5, backoff: { initial: "1s", factor: 2, max: "5m", jitter: true } },
    timeout: "30s",
    deadLetter: true,
    ttl: null,
    deadline: null,
    pauseAfterFailures: null,
    overlap: "skip",
    catchUp: null,
    expect: null,
    queue: "default",
    concurrencyKey: null,
    rateKey: null,
    priority: 50,
    debounce: null,
    collect: null,
    labels: {},
    on: null,
    nextRunAt: null,
  });
  const { body: runs } = await tenant.call("GET", `/v1/tasks/${task.id}/runs`);
  assert.equal(runs.items.length, 1);
  assert.deepEqual(
    [runs.items[0].id, runs.items[0].state, runs.items[0].taskId, runs.items[0].attempt],
    [task.runId, "queued", task.id, 1],
  );
  await api.bells.waitFor(({ runId }) => runId === runs.items[0].id);
});

test("each kind of schedule tells its next instant, and nothing runs before", async () => {
  const tenant = await api.newTenant();
  const at = isoIn(3_600_000);
  for (const [schedule, inMs] of [
    [{ at }, 3_600_000],
    [{ delay: "10m" }, 600_000],
    [{ every: "90s" }, 90_000],
    [{ cron: "* * * * *", timezone: "Europe/Rome" }, 30_000],
  ] as const) {
    const { status, body } = await tenant.call("POST", "/v1/tasks", { body: { ...HTTP, schedule } });
    assert.equal(status, 201);
    assert.equal(body.state, "active");
    assert.deepEqual(body.schedule, schedule);
    if ("cron" in schedule) assert.ok(Math.abs(Date.parse(body.nextRunAt) - Date.now() - inMs) <= 31_000);
    else assert.ok(isNear(body.nextRunAt, inMs), `${JSON.stringify(schedule)}: ${body.nextRunAt}`);
    assert.deepEqual((await tenant.call("GET", `/v1/tasks/${body.id}/runs`)).body.items, []);
  }
});

test("what is made is what is read back, each type with all its fields", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => null;" } });
  const shared = {
    schedule: { every: "1h" },
    name: "nightly",
    retry: { maxAttempts: 3, backoff: { initial: "2s", factor: 3, max: "1m", jitter: false } },
    timeout: "1m",
    deadLetter: false,
    ttl: "10m",
    deadline: "2h",
    pauseAfterFailures: 5,
    overlap: "cancel-previous",
    catchUp: { policy: "all", window: "1d", max: 10 },
    expect: { by: "08:00" },
    queue: "default",
    concurrencyKey: "order-7",
    rateKey: "api",
    priority: 80,
    debounce: { key: "k", wait: "5s", max: "1m" },
    collect: null,
    labels: { team: "ops", "app.example.com/tier": "" },
    on: { failure: [{ type: "email", to: "ops@example.com" }] },
  };
  for (const definition of [
    {
      ...{ type: "http", url: "https://example.com/", method: "POST", headers: { "X-A": "1" } },
      ...{ body: { deep: [1, null, "\u0000\ud800"] }, followRedirects: false, expectStatus: [200, 404] },
    },
    {
      ...{ type: "email", from: "a@example.com", to: ["b@example.com"], cc: [], bcc: ["c@example.com"] },
      ...{ replyTo: "d@example.com", subject: "Hi", body: "text", html: "<p>text</p>" },
      attachments: [{ filename: "a.txt", content: "aGk=", contentType: "text/plain" }],
    },
    { type: "function", function: "greet", input: { name: "Ada" } },
  ]) {
    const made = await tenant.call("POST", "/v1/tasks", { body: { ...definition, ...shared } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const read = await tenant.call("GET", `/v1/tasks/${made.body.id}`);
    assert.equal(read.status, 200);
    const {
      id: _id,
      state: _state,
      nextRunAt: _next,
      createdAt: _created,
      updatedAt: _updated,
      ...rest
    } = read.body;
    assert.deepEqual(rest, { key: null, ...definition, ...shared });
  }
});

test("input that is refused names its fields, and nothing is written", async () => {
  const tenant = await api.newTenant();
  const before = await api.countRows();
  for (const [body, fields] of [
    [{}, ["type"]],
    [{ type: "ftp" }, ["type"]],
    [{ type: "http" }, ["url"]],
    [{ ...HTTP, url: "ftp://example.com", method: "BREW" }, ["method", "url"]],
    [{ ...HTTP, retires: 3 }, ["retires"]],
    [{ ...HTTP, headers: { "bad name": "x" } }, ["headers.bad name"]],
    [{ ...HTTP, schedule: { at: "2020-01-01T00:00:00Z" } }, ["schedule.at"]],
    [{ ...HTTP, schedule: { cron: "* * * * *", timezone: "Mars/Base" } }, ["schedule.timezone"]],
    [{ ...HTTP, schedule: { every: "1s", delay: "1s" } }, ["schedule"]],
    [{ ...HTTP, retry: { backoff: { factor: 0 } } }, ["retry.backoff.factor"]],
    [{ ...HTTP, timeout: "2d" }, ["timeout"]],
    [{ type: "email", to: "nobody", subject: "x" }, ["body", "to"]],
    [{ type: "function", function: "Not A Name" }, ["function"]],
  ] as const) {
    const answer = await tenant.call("POST", "/v1/tasks", { body: body as never });
    assertProblem(answer, 422, "invalid_input");
    const named = answer.body.errors.map(({ field }: { field: string }) => field);
    for (const field of named)
      assert.ok((fields as readonly string[]).includes(field), `${field} of ${fields}`);
    assert.ok(named.length > 0);
  }
  assertProblem(
    await tenant.call("POST", "/v1/tasks", { body: { type: "function", function: "missing" } }),
    422,
    "unknown_function",
    ["function"],
  );
  for (const body of [[], "text", 1, null]) {
    assert.equal((await tenant.call("POST", "/v1/tasks", { body: JSON.stringify(body) })).status, 422);
  }
  assert.deepEqual(await api.countRows(), before);
});

test("the list is newest first, in pages that hold each task once", async () => {
  const tenant = await api.newTenant();
  const made: string[] = [];
  for (let count = 0; count < 7; count += 1)
    made.push((await tenant.call("POST", "/v1/tasks", { body: EVERY })).body.id);
  const seen: string[] = [];
  const sizes: number[] = [];
  let cursor = "";
  do {
    const { body } = await tenant.call("GET", `/v1/tasks?limit=3${cursor}`);
    seen.push(...body.items.map(({ id }: { id: string }) => id));
    sizes.push(body.items.length);
    cursor = body.nextCursor === null ? "" : `&cursor=${body.nextCursor}`;
  } while (cursor !== "");
  assert.deepEqual(seen, made.toReversed());
  assert.deepEqual(sizes, [3, 3, 1]);
  const whole = await tenant.call("GET", "/v1/tasks?limit=7");
  assert.deepEqual([whole.body.items.length, whole.body.nextCursor], [7, null]);
});

test("a page stays where it is although tasks are made meanwhile", async () => {
  const tenant = await api.newTenant();
  for (let count = 0; count < 4; count += 1) await tenant.call("POST", "/v1/tasks", { body: EVERY });
  const { body: first } = await tenant.call("GET", "/v1/tasks?limit=2");
  await tenant.call("POST", "/v1/tasks", { body: EVERY });
  const { body: second } = await tenant.call("GET", `/v1/tasks?limit=2&cursor=${first.nextCursor}`);
  const ids = [...first.items, ...second.items].map(({ id }: { id: string }) => id);
  assert.equal(new Set(ids).size, 4);
});

test("run now makes a run besides the schedule and rings it", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: EVERY });
  const { status, headers, body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  assert.equal(status, 202);
  assert.equal(headers.get("location"), `/v1/runs/${run.id}`);
  assert.deepEqual([run.state, run.taskId, run.type], ["queued", task.id, "http"]);
  await api.bells.waitFor(({ runId }) => runId === run.id);
  assert.equal((await tenant.call("GET", `/v1/tasks/${task.id}`)).body.nextRunAt, task.nextRunAt);
});

test("a task's runs are a list of its own, in pages", async () => {
  const tenant = await api.newTenant();
  const [{ body: task }, { body: other }] = [
    await tenant.call("POST", "/v1/tasks", { body: EVERY }),
    await tenant.call("POST", "/v1/tasks", { body: EVERY }),
  ];
  await tenant.call("POST", `/v1/tasks/${other.id}/run`);
  const made: string[] = [];
  for (let count = 0; count < 3; count += 1)
    made.push((await tenant.call("POST", `/v1/tasks/${task.id}/run`)).body.id);
  await api.work(made[0]!, { state: "succeeded", result: null });
  const { body: first } = await tenant.call("GET", `/v1/tasks/${task.id}/runs?limit=2`);
  const { body: rest } = await tenant.call(
    "GET",
    `/v1/tasks/${task.id}/runs?limit=2&cursor=${first.nextCursor}`,
  );
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ id }: { id: string }) => id),
    made.toReversed(),
  );
  assert.equal(rest.nextCursor, null);
});

test("a paused task has no next instant; resumed, it has", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: EVERY });
  const paused = await tenant.call("POST", `/v1/tasks/${task.id}/pause`);
  assert.deepEqual([paused.status, paused.body.state, paused.body.nextRunAt], [200, "paused", null]);
  assert.equal(paused.body.pausedReason, "requested");
  assert.equal(paused.body.pausedAt, paused.body.updatedAt);
  assert.equal(
    (await tenant.call("POST", `/v1/tasks/${task.id}/pause`)).status,
    200,
    "twice is the same as once",
  );
  const resumed = await tenant.call("POST", `/v1/tasks/${task.id}/resume`);
  assert.deepEqual([resumed.status, resumed.body.state], [200, "active"]);
  assert.equal(resumed.body.nextRunAt, task.nextRunAt);
});

test("pausing takes back what was staged ahead", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: EVERY });
  await stageDueTasks(api.store, new Date(), new Date(Date.now() + 3_700_000), 1_000);
  assert.equal((await tenant.call("GET", `/v1/tasks/${task.id}/runs`)).body.items.length, 1);
  await tenant.call("POST", `/v1/tasks/${task.id}/pause`);
  assert.equal((await tenant.call("GET", `/v1/tasks/${task.id}/runs`)).body.items.length, 0);
  assert.equal((await tenant.call("POST", `/v1/tasks/${task.id}/resume`)).body.nextRunAt, task.nextRunAt);
});

/** A task with a run under way and one that waits. */
async function makeBusyTask(tenant: TestCaller) {
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: EVERY });
  const { body: running } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  const { body: waiting } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  const claimed = await api.start(running.id);
  const stateOf = async (run: { id: string }) =>
    (await tenant.call("GET", `/v1/runs/${run.id}`)).body.state as string;
  const states = async () => [await stateOf(waiting), await stateOf(running)];
  return { path: `/v1/tasks/${task.id}`, task, running, claimed, waiting, states };
}

test("cancel ends a task with its waiting runs, asks its running ones to stop, and may be repeated", async () => {
  const tenant = await api.newTenant();
  const { path, task, states } = await makeBusyTask(tenant);
  for (const _time of ["once", "again"]) {
    const answer = await tenant.call("POST", `${path}/cancel`);
    assert.deepEqual(
      [answer.status, answer.body.id, answer.body.state, answer.body.nextRunAt],
      [200, task.id, "cancelled", null],
    );
  }
  assert.deepEqual(await states(), ["cancelled", "running"]);
});

test("DELETE removes a task: its waiting runs are cancelled, its running ones asked to stop, all stay readable", async () => {
  const tenant = await api.newTenant();
  const { path, task, running, claimed, states } = await makeBusyTask(tenant);
  const answer = await tenant.call("DELETE", path);
  assert.deepEqual([answer.status, answer.body], [204, undefined]);
  assert.deepEqual(await states(), ["cancelled", "running"]);
  const { rows } = await api.store.pool.query(
    "SELECT cancel_requested_at IS NOT NULL AS asked FROM task_runs_open WHERE id = $1",
    [running.id],
  );
  assert.deepEqual(rows, [{ asked: true }]);
  for (const [method, suffix] of [
    ["GET", ""],
    ["GET", "/runs"],
    ["PATCH", ""],
    ["POST", "/run"],
    ["POST", "/pause"],
    ["POST", "/resume"],
    ["POST", "/cancel"],
    ["DELETE", ""],
  ] as const) {
    const body = method === "PATCH" ? { body: { name: "again" } } : {};
    assertProblem(await tenant.call(method, path + suffix, body), 404, "not_found");
  }
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items, []);
  await api.finish(claimed, { state: "cancelled" });
  assert.deepEqual(await states(), ["cancelled", "cancelled"]);
  const listed = (await tenant.call("GET", "/v1/runs")).body.items;
  assert.deepEqual(new Set(listed.map(({ taskId }: { taskId: string }) => taskId)), new Set([task.id]));
});

test("a task that ran at once is active until its run has ended, also in lists; a dead letter is an end", async () => {
  const tenant = await api.newTenant();
  const verdicts: RunVerdict[] = [
    { state: "succeeded", result: null },
    { state: "dead", error: { code: "http_status", message: "503" } },
  ];
  for (const verdict of verdicts) {
    const { body: made } = await tenant.call("POST", "/v1/tasks", { body: HTTP });
    const states = async () => [
      (await tenant.call("GET", `/v1/tasks/${made.id}`)).body.state,
      (await tenant.call("GET", "/v1/tasks?limit=1")).body.items[0].state,
      (await tenant.call("PATCH", `/v1/tasks/${made.id}`, { body: { name: "n" } })).body.state,
    ];
    assert.equal(made.state, "active");
    assert.deepEqual(await states(), ["active", "active", "active"], "queued");
    const claimed = await api.start(made.runId);
    assert.deepEqual(await states(), ["active", "active", "active"], "running");
    const error = { code: "http_status", message: "503" };
    await api.finish(claimed, { state: "scheduled", availableAt: new Date(), error });
    assert.deepEqual(await states(), ["active", "active", "active"], "waiting for its retry");
    const { body: again } = await tenant.call("POST", `/v1/tasks/${made.id}/run`);
    await tenant.call("POST", `/v1/runs/${made.runId}/cancel`);
    await api.work(again.id, verdict);
    assert.deepEqual(await states(), ["completed", "completed", "completed"], verdict.state);
  }
});

test("a task made again under its key is answered as the first time, also once it is removed", async () => {
  const tenant = await api.newTenant();
  const make = (body: Json) =>
    tenant.call("POST", "/v1/tasks", { body, headers: { "idempotency-key": "once" } });
  const first = (await make(HTTP)).body;
  await tenant.call("POST", `/v1/tasks/${first.id}/run`);
  const again = await make(HTTP);
  assert.deepEqual([again.status, again.body], [201, first]);
  await tenant.call("DELETE", `/v1/tasks/${first.id}`);
  const last = await make(HTTP);
  assert.deepEqual([last.status, last.body], [201, first]);
  assert.equal("runId" in (await tenant.call("POST", "/v1/tasks", { body: EVERY })).body, false);
});

test("a cancelled task does nothing any more: 409", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: EVERY });
  await tenant.call("POST", `/v1/tasks/${task.id}/cancel`);
  const before = await api.countRows();
  for (const [method, suffix] of [
    ["POST", "/pause"],
    ["POST", "/resume"],
    ["POST", "/run"],
    ["PATCH", ""],
  ] as const) {
    const body = method === "PATCH" ? { name: "again" } : {};
    const answer = await tenant.call(method, `/v1/tasks/${task.id}${suffix}`, { body });
    assertProblem(answer, 409, "task_cancelled");
  }
  assert.deepEqual(await api.countRows(), before);
});

test("a completed task can neither be paused nor resumed, but run again", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: HTTP });
  for (const suffix of ["pause", "resume"]) {
    assertProblem(await tenant.call("POST", `/v1/tasks/${task.id}/${suffix}`), 409, "task_completed");
  }
  assert.equal((await tenant.call("POST", `/v1/tasks/${task.id}/run`)).status, 202);
});

test("a task that is not there is a 404 on every route", async () => {
  const tenant = await api.newTenant();
  for (const [method, suffix] of [
    ["GET", ""],
    ["PATCH", ""],
    ["DELETE", ""],
    ["POST", "/cancel"],
    ["POST", "/pause"],
    ["POST", "/resume"],
    ["POST", "/run"],
    ["GET", "/runs"],
  ] as const) {
    const path = `/v1/tasks/${randomUUID()}${suffix}`;
    assertProblem(await tenant.call(method, path, method === "PATCH" ? { body: {} } : {}), 404, "not_found");
  }
});
