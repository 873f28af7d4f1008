/** What an operator lets a namespace have, and what happens where it has come to that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CountedLimit } from "../../core/domain/namespace-limits.ts";
import { countUsed } from "../../core/store/namespace-limits.ts";
import { findNamespace } from "../../core/store/namespaces.ts";
import { claimRuns } from "../../core/store/runs/claim.ts";
import { makeWorker } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const SOURCE = "export default () => 1;";
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } } as const;

interface Tenant {
  name: string;
  tenant: TestCaller;
}

async function openTenant(limits: object): Promise<Tenant> {
  const tenant = await api.newTenant();
  const name = (await tenant.call("GET", "/v1/whoami")).body.namespace;
  await setLimits(name, limits);
  return { name, tenant };
}

async function setLimits(name: string, limits: object): Promise<void> {
  const answer = await api.operator.call("PUT", `/v1/namespaces/${name}/limits`, { body: limits as never });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

const post = (tenant: TestCaller, body: object, path = "/v1/tasks") =>
  tenant.call("POST", path, { body: body as never });
const usageOf = async (tenant: TestCaller) => (await tenant.call("GET", "/v1/usage")).body;

/** Until the API's memory of the key has the limits: what the bell of a change brings about. */
async function untilLimited(tenant: TestCaller, name: string, limit: number | null): Promise<void> {
  const deadline = Date.now() + 120_000;
  while ((await usageOf(tenant))[name].limit !== limit)
    assert.ok(Date.now() < deadline, "it is known in time");
}

test("an operator sets limits, all of them; they are shown with what is used, and audited", async () => {
  const { name, tenant } = await openTenant({ tasks: 5, requests: { limit: 100, per: "1m" } });
  await untilLimited(tenant, "tasks", 5);
  await post(tenant, TASK);
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  const usage = await usageOf(tenant);
  assert.equal(usage.namespace, name);
  assert.deepEqual(usage.tasks, { limit: 5, used: 1, exact: true, resetsAt: null });
  assert.deepEqual(usage.functions, { limit: null, used: 1, exact: true, resetsAt: null });
  assert.ok(usage.codeBytes.limit === null && usage.codeBytes.used > 0);
  assert.deepEqual([usage.requests.limit, usage.requests.per], [100, "1m"]);
  assert.ok(usage.requests.used > 0 && Date.parse(usage.requests.resetsAt) > Date.now() - 60_000);
  const { body: asOperator } = await api.operator.call("GET", "/v1/usage", {
    headers: { "bellhop-namespace": name },
  });
  assert.deepEqual(asOperator.requests, { limit: 100, used: 0, exact: true, resetsAt: null, per: "1m" });
  await setLimits(name, { functions: 2 });
  await untilLimited(tenant, "functions", 2);
  assert.equal((await usageOf(tenant)).tasks.limit, null);
  const { items } = (await api.operator.call("GET", `/v1/audit?resource=namespaces/${name}`)).body;
  assert.deepEqual(items[0].before.limits.tasks, 5);
  assert.deepEqual([items[0].action, items[0].after.limits.tasks], ["putNamespaceLimits", null]);
});

test("an operator reads the limits of a namespace as they were set last", async () => {
  const { name, tenant } = await openTenant({});
  const read = (caller: TestCaller, ofName = name) => caller.call("GET", `/v1/namespaces/${ofName}/limits`);
  const none = {
    requests: null,
    tasks: null,
    functions: null,
    codeBytes: null,
    followers: null,
    concurrentRuns: null,
    slotsShare: null,
    runsPerDay: null,
    storedBytes: null,
  };
  const unset = await api.operator.call("POST", "/v1/namespaces", { body: { name: "unset" } });
  assert.equal(unset.status, 201);
  for (const each of [name, "unset"]) assert.deepEqual((await read(api.operator, each)).body, none);
  const limits = { requests: { limit: 600, per: "1m" }, tasks: 5, functions: 0 };
  await setLimits(name, limits);
  const shown = await read(api.operator);
  assert.deepEqual([shown.status, shown.body], [200, { ...none, ...limits }]);
  assertProblem(await read(tenant), 403, "forbidden");
  for (const each of ["nobody", "No-Name"]) assertProblem(await read(api.operator, each), 404, "not_found");
});

test("limits are an operator's to set, and what is none is refused by its field", async () => {
  const { name, tenant } = await openTenant({});
  const put = (caller: TestCaller, path: string, body: object) =>
    caller.call("PUT", path, { body: body as never });
  assertProblem(await put(tenant, `/v1/namespaces/${name}/limits`, { tasks: 1 }), 403, "forbidden");
  assertProblem(await put(api.operator, "/v1/namespaces/nowhere/limits", {}), 404, "not_found");
  const refused: [string, object][] = [
    ["tasks", { tasks: -1 }],
    ["tasks", { tasks: 1.5 }],
    ["functions", { functions: "2" }],
    ["requests.limit", { requests: { limit: 0, per: "1m" } }],
    ["requests.per", { requests: { limit: 1, per: "2h" } }],
    ["requests.per", { requests: { limit: 1 } }],
    ["followers", { followers: -1 }],
    ["concurrentRuns", { concurrentRuns: 0 }],
    ["runsPerDay", { runsPerDay: 0.5 }],
    ["slotsShare", { slotsShare: 101 }],
    ["slotsShare", { slotsShare: 0 }],
    ["storedBytes", { storedBytes: -1 }],
    ["gpus", { gpus: 1 }],
  ];
  for (const [field, body] of refused)
    assertProblem(await put(api.operator, `/v1/namespaces/${name}/limits`, body), 422, "invalid_input", [
      field,
    ]);
});

test("tasks: no more than there may be that may still fire, however they are made", async () => {
  const { name, tenant } = await openTenant({ tasks: 2 });
  await untilLimited(tenant, "tasks", 2);
  const first = (await post(tenant, TASK)).body;
  const batch = (await post(tenant, { items: [TASK, TASK] }, "/v1/tasks/batch")).body.items;
  assert.deepEqual(
    batch.map(({ status, problem }: { status: number; problem?: { code: string } }) => [
      status,
      problem?.code,
    ]),
    [
      [201, undefined],
      [409, "limit_exceeded"],
    ],
  );
  await tenant.call("POST", `/v1/tasks/${first.id}/pause`);
  const refusals = [
    await post(tenant, TASK),
    await tenant.call("PUT", "/v1/tasks/k", { body: TASK }),
    await post(tenant, { items: [{ ...TASK, key: "k" }] }, "/v1/tasks/apply"),
  ];
  for (const refusal of refusals) assertProblem(refusal, 409, "limit_exceeded", ["tasks"]);
  assert.equal((await usageOf(tenant)).tasks.used, 2);
  assert.equal(
    (await tenant.call("PATCH", `/v1/tasks/${first.id}`, { body: { labels: { a: "b" } } })).status,
    200,
  );
  await tenant.call("DELETE", `/v1/tasks/${first.id}`);
  assert.equal((await tenant.call("PUT", "/v1/tasks/k", { body: TASK })).status, 201);
  assert.equal(
    (await tenant.call("PUT", "/v1/tasks/k", { body: { ...TASK, schedule: { every: "2h" } } })).status,
    200,
  );
  await setLimits(name, {});
  await untilLimited(tenant, "tasks", null);
  assert.equal((await post(tenant, TASK)).status, 201);
});

test("tasks: a set has room by what there is once it is applied", async () => {
  const { tenant } = await openTenant({ tasks: 1 });
  await untilLimited(tenant, "tasks", 1);
  const apply = (...keys: string[]) => {
    const items = keys.map((key) => ({ ...TASK, key, labels: { set: "a" } }));
    return post(tenant, { items, prune: { label: "set=a" } }, "/v1/tasks/apply");
  };
  assert.equal((await apply("old")).status, 200);
  const renamed = await apply("new");
  assert.equal(renamed.status, 200, JSON.stringify(renamed.body));
  assertProblem(await apply("new", "more"), 409, "limit_exceeded", ["tasks"]);
  assert.equal((await usageOf(tenant)).tasks.used, 1);
});

test("tasks: one that is over needs room to fire again", async () => {
  const { name, tenant } = await openTenant({});
  const over = { type: "http", url: "https://example.com/" } as const;
  const { id } = (await tenant.call("PUT", "/v1/tasks/over", { body: over })).body;
  assert.equal((await post(tenant, TASK)).status, 201);
  await setLimits(name, { tasks: 1 });
  await untilLimited(tenant, "tasks", 1);
  const { schedule } = TASK;
  const refusals = [
    await tenant.call("PATCH", `/v1/tasks/${id}`, { body: { schedule } }),
    await tenant.call("PUT", "/v1/tasks/over", { body: { ...over, schedule } }),
    await post(tenant, { items: [{ ...over, schedule, key: "over" }] }, "/v1/tasks/apply"),
  ];
  for (const refusal of refusals) assertProblem(refusal, 409, "limit_exceeded", ["tasks"]);
  assert.equal((await usageOf(tenant)).tasks.used, 1);
  assert.equal((await tenant.call("PATCH", `/v1/tasks/${id}`, { body: { name: "over" } })).status, 200);
});

test("tasks: what adds none that may fire again needs no room", async () => {
  const { name, tenant } = await openTenant({});
  const once = { ...TASK, dedup: { window: "1h" } };
  const debounced = { type: "http", url: TASK.url, debounce: { key: "k", wait: "1h" } };
  const { id } = (await post(tenant, once)).body;
  assert.equal((await post(tenant, debounced)).status, 201);
  await setLimits(name, { tasks: 2 });
  await untilLimited(tenant, "tasks", 2);
  const immediate = { type: "http", url: TASK.url };
  assert.equal((await post(tenant, immediate)).status, 201);
  const repeated = await post(tenant, once);
  assert.deepEqual([repeated.status, repeated.body.id], [200, id]);
  assert.equal((await post(tenant, debounced)).status, 200);
  const batch = (await post(tenant, { items: [TASK, immediate] }, "/v1/tasks/batch")).body.items;
  assert.deepEqual(
    batch.map(({ status }: { status: number }) => status),
    [409, 201],
  );
  const refused = [
    { ...once, name: "other" },
    { ...debounced, debounce: { key: "other", wait: "1h" } },
  ];
  for (const body of refused) assertProblem(await post(tenant, body), 409, "limit_exceeded", ["tasks"]);
  assert.equal((await usageOf(tenant)).tasks.used, 2);
});

test("what is used is counted no further than so many things, and says so", async () => {
  const { name, tenant } = await openTenant({});
  for (const each of [TASK, { ...TASK, name: "second" }])
    assert.equal((await post(tenant, each)).status, 201);
  for (const fn of ["greet", "other"])
    await tenant.call("PUT", `/v1/functions/${fn}`, { body: { source: SOURCE } });
  const { id } = (await findNamespace(api.store, name))!;
  const count = (what: CountedLimit, most: number) => countUsed(api.store, id, what, most);
  for (const what of ["tasks", "functions"] as const) {
    assert.deepEqual(await count(what, 1), { used: 1, isExact: false });
    assert.deepEqual(await count(what, 2), { used: 2, isExact: true });
  }
  const { used } = (await usageOf(tenant)).codeBytes;
  assert.deepEqual(await count("codeBytes", 2), { used, isExact: true });
  const some = await count("codeBytes", 0);
  assert.ok(!some.isExact && some.used > 0 && some.used < used);
});

test("functions and the bytes of their revisions: nothing is deployed beyond them, and what stands stays", async () => {
  const { name, tenant } = await openTenant({ functions: 1 });
  await untilLimited(tenant, "functions", 1);
  const deploy = (fn: string, source: string) =>
    tenant.call("PUT", `/v1/functions/${fn}`, { body: { source } });
  assert.equal((await deploy("greet", SOURCE)).status, 201);
  assertProblem(await deploy("other", SOURCE), 409, "limit_exceeded", ["functions"]);
  assertProblem(await tenant.call("GET", "/v1/functions/other"), 404, "not_found");
  assert.equal((await deploy("greet", "export default () => 2;")).status, 201);
  const { used } = (await usageOf(tenant)).codeBytes;
  await setLimits(name, { codeBytes: used });
  await untilLimited(tenant, "codeBytes", used);
  assertProblem(await deploy("greet", "export default () => 3;"), 409, "limit_exceeded", ["codeBytes"]);
  const env = { GREETING: "hello" };
  const changed = await tenant.call("PATCH", "/v1/functions/greet", { body: { env } });
  assertProblem(changed, 409, "limit_exceeded", ["codeBytes"]);
  assert.match(changed.body.detail, /: remove a function, or ask an operator/);
  assert.equal((await deploy("greet", SOURCE)).status, 200);
  const { items } = (await tenant.call("GET", "/v1/audit?resource=functions")).body;
  assert.deepEqual(
    items.map(({ status }: { status: number }) => status),
    [200, 201, 201],
  );
  assert.equal((await tenant.call("DELETE", "/v1/functions/greet")).status, 204);
  assert.equal((await usageOf(tenant)).codeBytes.used, 0);
  assert.equal((await deploy("greet", "export default () => 3;")).status, 201);
});

test("followers: as many streams as may be open at once, of logs and events together, whoever opens them", async () => {
  const { name, tenant } = await openTenant({ followers: 2 });
  await untilLimited(tenant, "followers", 2);
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  const other = await api.newCaller(tenant.namespaceId, ["read"]);
  const follow = (caller: TestCaller, path: string) =>
    caller.request("GET", path, { headers: { accept: "text/event-stream" } });
  const paths = ["/v1/events?follow=true", "/v1/functions/greet/logs?follow=true"];
  const open = await Promise.all([follow(tenant, paths[0]!), follow(other, paths[1]!)]);
  for (const { status } of open) assert.equal(status, 200);
  for (const path of paths) {
    const refused = await tenant.call("GET", path);
    assertProblem(refused, 429, "too_many_followers", ["followers"]);
    assert.match(refused.body.detail, /^followers: the namespace may have 2 streams open at once/);
    assert.equal(refused.headers.get("retry-after"), "10");
  }
  assert.deepEqual((await usageOf(tenant)).followers, { limit: 2, used: 2, exact: true, resetsAt: null });
  const there = { headers: { "bellhop-namespace": name } };
  const operators = await api.operator.request("GET", paths[0]!, there);
  assert.equal(operators.status, 200);
  assert.equal((await tenant.request("HEAD", paths[0]!)).status, 200, "nobody reads what a HEAD gets");
  for (const { body } of [...open, operators]) await body!.cancel();
  const deadline = Date.now() + 120_000;
  while ((await usageOf(tenant)).followers.used > 0) assert.ok(Date.now() < deadline, "they are counted off");
  const again = await follow(tenant, paths[0]!);
  assert.equal(again.status, 200);
  await again.body!.cancel();
});

test("concurrentRuns: more wait and say so, and start when an operator lets them or another ends", async () => {
  const { name, tenant } = await openTenant({ concurrentRuns: 1 });
  const runOf = async (path: string) => (await tenant.call("GET", path)).body;
  const makeRun = async (): Promise<string> => {
    const { id } = (await post(tenant, { type: "http", url: TASK.url })).body;
    return (await runOf(`/v1/tasks/${id}/runs`)).items[0].id;
  };
  const [first, second] = [await makeRun(), await makeRun()];
  const running = await api.start(first);
  const workerId = await makeWorker(api.store.db);
  assert.deepEqual(await claimRuns(api.store, workerId, [second]), []);
  assert.equal((await runOf(`/v1/runs/${second}`)).waitingFor, "concurrency");
  const { concurrentRuns } = await usageOf(tenant);
  assert.deepEqual([concurrentRuns.used, concurrentRuns.resetsAt], [1, null]);
  await setLimits(name, { concurrentRuns: 2 });
  assert.equal((await claimRuns(api.store, workerId, [second])).length, 1);
  await api.finish(running, { state: "succeeded", result: null });
  assert.equal((await usageOf(tenant)).concurrentRuns.used, 1);
});

test("runsPerDay: whatever makes a run counts it, and one too many is told when there are more again", async () => {
  const { name, tenant } = await openTenant({});
  const immediate = { type: "http", url: TASK.url } as const;
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  const scheduled = (await post(tenant, TASK)).body.id;
  const ended = (await post(tenant, immediate)).body.id;
  const [run] = (await tenant.call("GET", `/v1/tasks/${ended}/runs`)).body.items;
  await api.work(run.id, { state: "succeeded", result: null });
  const hook = (await tenant.call("POST", `/v1/tasks/${scheduled}/hooks`, { body: {} })).body;
  const url = new URL(hook.url, "http://localhost").pathname;
  const ASYNC = { prefer: "respond-async" };
  let made = 0;
  const ways: [string, () => ReturnType<TestCaller["call"]>][] = [
    ["a task without a schedule", () => post(tenant, immediate)],
    ["one with dedup", () => post(tenant, { ...immediate, name: `once-${++made}`, dedup: { window: "1h" } })],
    ["one with a key", () => tenant.call("PUT", `/v1/tasks/k-${++made}`, { body: immediate })],
    ["run now", () => post(tenant, {}, `/v1/tasks/${scheduled}/run`)],
    ["a call", () => tenant.call("POST", "/v1/functions/greet/invoke", { body: 1, headers: ASYNC })],
    ["a replay", () => tenant.call("POST", `/v1/runs/${run.id}/replay`)],
    ["a hook", () => api.anonymous.call("POST", url, { body: "{}" })],
  ];
  await setLimits(name, { runsPerDay: ways.length });
  await untilLimited(tenant, "runsPerDay", ways.length);
  for (const [way, make] of ways) {
    const { status, body } = await make();
    assert.ok(status < 300, `${way}: ${JSON.stringify(body)}`);
  }
  const { runsPerDay } = await usageOf(tenant);
  assert.equal(runsPerDay.used, ways.length);
  assert.match(runsPerDay.resetsAt, /T00:00:00\.000Z$/);
  for (const [way, make] of ways) {
    const refused = await make();
    const isStranger = way === "a hook";
    assertProblem(refused, 429, "rate_limited", isStranger ? [] : ["runsPerDay"]);
    const tellsWhen = /may again from \d{4}-\d\d-\d\dT00:00:00\.000Z/.test(refused.body.detail);
    assert.equal(tellsWhen, !isStranger, way);
    const seconds = Number(refused.headers.get("retry-after"));
    assert.ok(seconds > 0 && seconds <= 86_400, `${way}: ${seconds} s`);
  }
  const collect = encodeURIComponent(JSON.stringify({ size: 10, wait: "1h" }));
  const collected = `/v1/functions/greet/invoke?collect=${collect}`;
  const joined = await tenant.call("POST", collected, { body: 1, headers: ASYNC });
  assertProblem(joined, 429, "rate_limited", ["runsPerDay"]);
  const set = await post(tenant, { items: [{ ...immediate, key: "of-a-set" }] }, "/v1/tasks/apply");
  assertProblem(set, 429, "rate_limited", ["runsPerDay"]);
  assertProblem(await tenant.call("GET", "/v1/tasks/of-a-set"), 404, "not_found");
  const batch = await post(tenant, { items: [immediate, TASK] }, "/v1/tasks/batch");
  assert.deepEqual(
    batch.body.items.map(({ status }: { status: number }) => status),
    [429, 201],
  );
  assert.equal((await usageOf(tenant)).runsPerDay.used, ways.length, "what is refused does not count");
  await setLimits(name, {});
  await untilLimited(tenant, "runsPerDay", null);
  assert.equal((await usageOf(tenant)).runsPerDay.used, 0);
  assert.equal((await post(tenant, immediate)).status, 201);
});

test("requests: a key that asks more often is told how much is left, and when to come again", async () => {
  const { tenant } = await openTenant({});
  const plain = await tenant.call("GET", "/v1/whoami");
  assert.equal(plain.headers.get("ratelimit"), null);
  const { name } = { name: plain.body.namespace };
  await setLimits(name, { requests: { limit: 5, per: "1h" } });
  let answer = await tenant.call("GET", "/v1/whoami");
  while (answer.headers.get("ratelimit") === null) answer = await tenant.call("GET", "/v1/whoami");
  assert.match(answer.headers.get("ratelimit")!, /^"requests";r=4;t=720$/);
  assert.equal(answer.headers.get("ratelimit-policy"), '"requests";q=5;w=3600');
  for (let left = 3; left >= 0; left -= 1)
    assert.match(
      (await tenant.call("GET", "/v1/whoami")).headers.get("ratelimit")!,
      new RegExp(`r=${left};`),
    );
  const refused = await tenant.call("GET", "/v1/whoami");
  assertProblem(refused, 429, "rate_limited");
  assert.match(refused.body.detail, /^requests: .*5 in 1h/);
  const retryAfter = Number(refused.headers.get("retry-after"));
  assert.ok(retryAfter > 0 && retryAfter <= 720, `${retryAfter} s`);
  assert.match(refused.headers.get("ratelimit")!, /^"requests";r=0;t=\d+$/);
  const other = await api.newCaller(tenant.namespaceId, ["read"]);
  assert.equal((await other.call("GET", "/v1/whoami")).status, 200, "another key has its own");
  const there = { headers: { "bellhop-namespace": name } };
  for (let time = 0; time < 8; time += 1)
    assert.equal(
      (await api.operator.call("GET", "/v1/whoami", there)).status,
      200,
      "operators are not limited",
    );
});
