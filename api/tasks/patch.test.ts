import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const TASK = {
  ...{ type: "http", url: "https://example.com/hook", method: "POST", headers: { "x-a": "1", "x-b": "2" } },
  ...{
    body: { order: 1 },
    schedule: { every: "1h" },
    name: "hourly",
    timeout: "1m",
    labels: { team: "ops" },
  },
  retry: { maxAttempts: 3, backoff: { initial: "2s", factor: 3, max: "1m", jitter: false } },
} as const;

async function makeTask(definition: Json = TASK as never) {
  const tenant = await api.newTenant();
  const { status, body } = await tenant.call("POST", "/v1/tasks", { body: definition });
  assert.equal(status, 201, JSON.stringify(body));
  return { tenant, task: body, path: `/v1/tasks/${body.id}` };
}

/** The fields of the task besides those that every change moves. */
async function read(tenant: TestCaller, path: string) {
  const { updatedAt: _updatedAt, ...task } = (await tenant.call("GET", path)).body;
  return task;
}

test("a value that is given replaces the one that stands, objects merge, the others stay", async () => {
  const { tenant, path } = await makeTask();
  const before = await read(tenant, path);
  const patch = {
    url: "https://example.com/other",
    headers: { "x-c": "3" },
    labels: { tier: "1" },
    name: "renamed",
  };
  const { status, body } = await tenant.call("PATCH", path, { body: patch });
  assert.equal(status, 200);
  const after = await read(tenant, path);
  const { headers, labels } = before;
  assert.deepEqual(after, {
    ...before,
    ...patch,
    headers: { ...headers, ...patch.headers },
    labels: { ...labels, ...patch.labels },
  });
  assert.deepEqual({ ...body, updatedAt: undefined }, { ...after, updatedAt: undefined });
  assert.ok(body.updatedAt >= body.createdAt);
});

test("a change of a part of the retry policy leaves the rest of it", async () => {
  const { tenant, path } = await makeTask();
  const { retry } = await read(tenant, path);
  const patched = async (change: Json) => (await tenant.call("PATCH", path, { body: change })).body.retry;
  assert.deepEqual(await patched({ retry: { maxAttempts: 7 } }), { ...retry, maxAttempts: 7 });
  const backoff = { ...retry.backoff, max: "2m" };
  assert.deepEqual(await patched({ retry: { backoff: { max: "2m" } } }), { maxAttempts: 7, backoff });
  assert.deepEqual(await patched({ retry: { maxAttempts: null, backoff: { factor: null } } }), {
    maxAttempts: 5,
    backoff: { ...backoff, factor: 2 },
  });
  assert.deepEqual((await patched({ retry: { backoff: null } })).backoff, {
    ...{ initial: "1s", factor: 2, max: "5m", jitter: true },
  });
});

test("null takes a label or a header away, and a header is the same however its name is written", async () => {
  const { tenant, path } = await makeTask();
  const patch = { headers: { "X-A": "new", "x-b": null, "x-c": "3" }, labels: { team: null, tier: "1" } };
  const { body } = await tenant.call("PATCH", path, { body: patch });
  assert.deepEqual(body.headers, { "X-A": "new", "x-c": "3" });
  assert.deepEqual(body.labels, { tier: "1" });
});

test("lists are replaced whole", async () => {
  const { tenant, path } = await makeTask({ ...TASK, expectStatus: [200, 201] } as never);
  const { body } = await tenant.call("PATCH", path, { body: { expectStatus: [204] } });
  assert.deepEqual(body.expectStatus, [204]);
});

test("a change of a cron keeps the timezone unless one is named", async () => {
  const { tenant, path } = await makeTask({
    ...{ type: "http", url: "https://example.com/" },
    schedule: { cron: "0 9 * * *", timezone: "Europe/Rome" },
  });
  const patched = async (schedule: Json) => {
    const { status, body } = await tenant.call("PATCH", path, { body: { schedule } });
    assert.equal(status, 200, JSON.stringify(body));
    return body.schedule;
  };
  assert.deepEqual(await patched({ cron: "0 10 * * *" }), { cron: "0 10 * * *", timezone: "Europe/Rome" });
  assert.deepEqual(await patched({ timezone: "Asia/Tokyo" }), { cron: "0 10 * * *", timezone: "Asia/Tokyo" });
  assert.deepEqual(await patched({ cron: "0 11 * * *", timezone: "UTC" }), {
    ...{ cron: "0 11 * * *", timezone: "UTC" },
  });
  assert.deepEqual(await patched({ timezone: "Asia/Tokyo" }), { cron: "0 11 * * *", timezone: "Asia/Tokyo" });
  assert.deepEqual(await patched({ timezone: null }), { cron: "0 11 * * *", timezone: "UTC" });
});

test("a schedule of another kind replaces the one that stands, whole", async () => {
  const { tenant, path } = await makeTask({
    ...{ type: "http", url: "https://example.com/" },
    schedule: { cron: "0 9 * * *", timezone: "Europe/Rome" },
  });
  const at = new Date(Date.now() + 3_600_000).toISOString();
  for (const [given, stands] of [
    [{ every: "1h" }, { every: "1h" }],
    [
      { cron: "0 9 * * *", gap: "skip" },
      { cron: "0 9 * * *", timezone: "UTC", gap: "skip" },
    ],
    [{ cron: "@every 5m" }, { every: "5m" }],
    ["cron(0 9 * * ? *)", { cron: "0 9 * * ?", timezone: "UTC" }],
    [{ cron: null, delay: "10m" }, { delay: "10m" }],
    [{ at }, { at }],
  ] as const) {
    const { status, body } = await tenant.call("PATCH", path, { body: { schedule: given } });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.schedule, stands);
  }
  for (const [schedule, field] of [
    [{ at: null }, "schedule"],
    [{ every: "1h", delay: "1h" }, "schedule"],
    [{ timezone: "UTC" }, "schedule.timezone"],
    [{ every: { a: 1 } }, "schedule.every"],
  ] as const) {
    const answer = await tenant.call("PATCH", path, { body: { schedule } as never });
    assertProblem(answer, 422, "invalid_input", [field]);
  }
});

test("the author's own JSON is replaced whole, and a null in it is a value", async () => {
  const { tenant, path } = await makeTask();
  const body = { other: null, deep: { a: null } };
  assert.deepEqual((await tenant.call("PATCH", path, { body: { body } })).body.body, body);
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => null;" } });
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "function", function: "greet", input: { a: 1 }, schedule: { every: "1h" } },
  });
  const changed = await tenant.call("PATCH", `/v1/tasks/${task.id}`, { body: { input: { b: null } } });
  assert.deepEqual(changed.body.input, { b: null });
});

test("a name that means something to JavaScript is a name like others", async () => {
  const { tenant, path } = await makeTask();
  const before = await read(tenant, path);
  for (const body of ['{"__proto__": {"name": "x"}}', '{"constructor": {"name": "x"}}'])
    assertProblem(await tenant.call("PATCH", path, { body }), 422, "invalid_input");
  assert.deepEqual(await read(tenant, path), before);
});

test("null brings a field's default back", async () => {
  const { tenant, path } = await makeTask();
  const patch = { name: null, method: null, headers: null, timeout: null, retry: null, labels: null };
  const { status, body } = await tenant.call("PATCH", path, { body: patch });
  assert.equal(status, 200, JSON.stringify(body));
  const { name, method, headers, timeout, retry, labels } = body;
  assert.deepEqual(
    { name, method, headers, timeout, retry, labels },
    {
      name: null,
      method: "GET",
      headers: {},
      timeout: "30s",
      retry: { maxAttempts: 5, backoff: { initial: "1s", factor: 2, max: "5m", jitter: true } },
      labels: {},
    },
  );
  assert.deepEqual(body.schedule, TASK.schedule);
});

test("null for a field that is needed is refused", async () => {
  const { tenant, path } = await makeTask();
  const before = await read(tenant, path);
  assertProblem(await tenant.call("PATCH", path, { body: { url: null } }), 422, "invalid_input", ["url"]);
  assert.deepEqual(await read(tenant, path), before);
});

test("a backoff of another kind takes the place of the one that stands", async () => {
  const { tenant, path } = await makeTask();
  const patched = async (backoff: Json) => {
    const { status, body } = await tenant.call("PATCH", path, { body: { retry: { backoff } } });
    assert.equal(status, 200, JSON.stringify(body));
    return body.retry;
  };
  const { maxAttempts } = (await read(tenant, path)).retry;
  const list = { kind: "list", waits: ["1m", "5m"], jitter: false };
  assert.deepEqual(await patched({ kind: "list", waits: ["60s", "5m"] }), { maxAttempts, backoff: list });
  assert.deepEqual((await patched({ waits: ["2m"] })).backoff, { ...list, waits: ["2m"] });
  assert.deepEqual((await patched({ kind: "linear", initial: "10s" })).backoff, {
    ...{ kind: "linear", initial: "10s", max: "5m", jitter: true },
  });
  assert.deepEqual((await patched({ max: "1m" })).backoff.max, "1m");
  assert.deepEqual((await patched({ kind: "exponential", factor: 3 })).backoff, {
    ...{ kind: "exponential", initial: "1s", factor: 3, max: "5m", jitter: true },
  });
  assert.deepEqual((await patched({ max: "2m" })).backoff.factor, 3);
  const wrong = await tenant.call("PATCH", path, { body: { retry: { backoff: { kind: "list" } } } });
  assertProblem(wrong, 422, "invalid_input", ["retry.backoff.waits"]);
});

test("null for a field that no task has is refused by its name", async () => {
  const { tenant, path } = await makeTask();
  const before = await read(tenant, path);
  for (const [patch, fields] of [
    ['{"colour": null}', ["colour"]],
    ['{"colour": null, "name": "x", "size": null}', ["colour", "size"]],
    ['{"subject": null}', ["subject"]],
    ['{"retry": {"colour": null, "backoff": {"size": null}}}', ["retry.backoff.size", "retry.colour"]],
    ['{"schedule": {"colour": null}}', ["schedule.colour"]],
    ['{"schedule": {"every": null, "delay": "10m", "colour": null}}', ["schedule.colour"]],
    ['{"state": null}', ["state"]],
    ['{"__proto__": null}', ["__proto__"]],
  ] as const)
    assertProblem(await tenant.call("PATCH", path, { body: patch }), 422, "invalid_input", [...fields]);
  assert.deepEqual(await read(tenant, path), before);
  for (const patch of [{ expectStatus: null }, { labels: { none: null }, headers: { "x-none": null } }])
    assert.equal((await tenant.call("PATCH", path, { body: patch })).status, 200, JSON.stringify(patch));
});

test("an empty change changes nothing", async () => {
  const { tenant, path } = await makeTask();
  const before = await read(tenant, path);
  assert.equal((await tenant.call("PATCH", path, { body: {} })).status, 200);
  assert.deepEqual(await read(tenant, path), before);
});

test("a change that is refused leaves the task as it stands", async () => {
  const { tenant, path } = await makeTask();
  const before = await read(tenant, path);
  for (const [patch, fields] of [
    [{ colour: "red" }, ["colour"]],
    [{ name: "fine", url: "ftp://example.com" }, ["url"]],
    [{ subject: "of another type" }, ["subject"]],
    [{ schedule: { every: "1ms" } }, ["schedule.every"]],
    [{ schedule: { at: "2020-01-01T00:00:00Z" } }, ["schedule.at"]],
    [{ type: "email" }, ["type"]],
    [{ type: "" }, ["type"]],
    [{ id: "00000000-0000-0000-0000-000000000000" }, ["id"]],
    [{ state: "completed", nextRunAt: "2030-01-01T00:00:00Z" }, ["nextRunAt", "state"]],
    [{ namespaceId: "00000000-0000-0000-0000-000000000000" }, ["namespaceId"]],
  ] as const) {
    assertProblem(await tenant.call("PATCH", path, { body: patch as never }), 422, "invalid_input", [
      ...fields,
    ]);
  }
  for (const body of ["null", "[]", '"text"', "1"]) {
    assertProblem(await tenant.call("PATCH", path, { body }), 422, "invalid_input");
  }
  assertProblem(await tenant.call("PATCH", path, { body: "{" }), 400, "invalid_json");
  assert.deepEqual(await read(tenant, path), before);
});

test("naming the type a task has is no change of it", async () => {
  const { tenant, path } = await makeTask();
  assert.equal((await tenant.call("PATCH", path, { body: { type: "http", name: "x" } })).status, 200);
});

test("a new schedule starts now; one that is not named goes on", async () => {
  const { tenant, path, task } = await makeTask();
  const same = await tenant.call("PATCH", path, { body: { name: "other" } });
  assert.equal(same.body.nextRunAt, task.nextRunAt);
  const changed = await tenant.call("PATCH", path, { body: { schedule: { every: "10m" } } });
  assert.deepEqual(changed.body.schedule, { every: "10m" });
  assert.ok(Math.abs(Date.parse(changed.body.nextRunAt) - Date.now() - 600_000) < 5_000);
  const cron = await tenant.call("PATCH", path, {
    body: { schedule: { cron: "0 0 1 1 *", timezone: "UTC" } },
  });
  assert.equal(cron.body.nextRunAt, `${new Date().getUTCFullYear() + 1}-01-01T00:00:00.000Z`);
});

test("a completed task with a new schedule is active again; a paused one stays paused", async () => {
  const { tenant, path } = await makeTask({ type: "http", url: "https://example.com/" });
  const revived = await tenant.call("PATCH", path, { body: { schedule: { delay: "1h" } } });
  assert.deepEqual([revived.body.state, revived.body.schedule], ["active", { delay: "1h" }]);
  await tenant.call("POST", `${path}/pause`);
  const paused = await tenant.call("PATCH", path, { body: { schedule: { delay: "2h" } } });
  assert.deepEqual([paused.body.state, paused.body.nextRunAt], ["paused", null]);
  const resumed = await tenant.call("POST", `${path}/resume`);
  assert.ok(Math.abs(Date.parse(resumed.body.nextRunAt) - Date.now() - 7_200_000) < 5_000);
});

test("a one-off whose instant has passed can still be renamed", async () => {
  const { tenant, path } = await makeTask({
    ...{ type: "http", url: "https://example.com/" },
    schedule: { at: new Date(Date.now() - 1_000).toISOString() },
  });
  const { status, body } = await tenant.call("PATCH", path, { body: { name: "late" } });
  assert.deepEqual([status, body.name], [200, "late"]);
});

test("a function task moves to another function that is there, and to no other", async () => {
  const tenant = await api.newTenant();
  for (const name of ["first", "second"]) {
    await tenant.call("PUT", `/v1/functions/${name}`, { body: { source: "export default () => null;" } });
  }
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "function", function: "first", input: { a: 1 }, schedule: { every: "1h" } },
  });
  const path = `/v1/tasks/${task.id}`;
  const moved = await tenant.call("PATCH", path, { body: { function: "second" } });
  assert.deepEqual([moved.body.function, moved.body.input], ["second", { a: 1 }]);
  const { body: run } = await tenant.call("POST", `${path}/run`);
  assert.equal(run.function, "second");
  const missing = await tenant.call("PATCH", path, { body: { function: "third" } });
  assertProblem(missing, 422, "unknown_function", ["function"]);
  assert.equal((await read(tenant, path)).function, "second");
});

test("null as a function's input or an http body is a value", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => null;" } });
  const { body: call } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "function", function: "greet", input: { a: 1 }, schedule: { every: "1h" } },
  });
  assert.equal(
    (await tenant.call("PATCH", `/v1/tasks/${call.id}`, { body: { input: null } })).body.input,
    null,
  );
  const { path, tenant: owner } = await makeTask();
  assert.equal((await owner.call("PATCH", path, { body: { body: null } })).body.body, null);
});

test("an e-mail loses its text when it has html, and keeps one of the two", async () => {
  const { tenant, path } = await makeTask({
    ...{ type: "email", to: "ada@example.com", subject: "Hi", body: "text", html: "<p>text</p>" },
    schedule: { every: "1h" },
  });
  const without = await tenant.call("PATCH", path, { body: { body: null } });
  assert.equal(without.status, 200, JSON.stringify(without.body));
  assert.ok(!("body" in without.body));
  assertProblem(await tenant.call("PATCH", path, { body: { html: null } }), 422, "invalid_input", ["body"]);
});

test("a burst of changes finds its way through a few connections", async () => {
  const { tenant, path } = await makeTask();
  await tenant.call("PUT", "/v1/functions/burst", { body: { source: "export default () => 1;" } });
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "function", function: "burst", schedule: { every: "1h" } },
  });
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const target = index % 2 === 0 ? path : `/v1/tasks/${task.id}`;
      return (await tenant.call("PATCH", target, { body: { name: `n${index}` } })).status;
    }),
  );
  assert.deepEqual([...new Set(statuses)], [200]);
});
