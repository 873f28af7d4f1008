/** `GET /v1/export`, and the way back: what is exported can be given to another namespace. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exportLine } from "../../core/contracts/export.ts";
import type { Json } from "../../core/json.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, anonymous, parts } = await openApi();

// biome-ignore lint/suspicious/noExplicitAny: what a line holds is what the tests check
type Line = any;

async function readExport(tenant: TestCaller): Promise<{ text: string; lines: Line[] }> {
  const response = await tenant.request("GET", "/v1/export");
  assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/x-ndjson"]);
  const text = await response.text();
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const line of lines) exportLine.parse(line);
  return { text, lines };
}

const ofKind = (lines: Line[], kind: string) => lines.filter((line) => line.kind === kind);
const HTTP = { type: "http", url: "https://example.com/" };
const post = async (tenant: TestCaller, body: object | string) =>
  (await tenant.call("POST", "/v1/tasks", { body: body as Json })).body;

const MAIL_LIMITS = {
  ...{ concurrency: 5, rate: { limit: 10, per: "1s", burst: 20 } },
  ...{ perKey: { concurrency: 1, rate: null }, restOn429: true },
};

/** A namespace with some of everything. */
async function fill(): Promise<TestCaller> {
  const tenant = await newTenant();
  const source = "export default () => 1;";
  await tenant.call("PUT", "/v1/functions/greet", { body: { source, env: { GREETING: "hello" } } });
  await tenant.call("PUT", "/v1/functions/open", { body: { source, public: true } });
  await tenant.call("PUT", "/v1/secrets/TOKEN", { body: { value: "the-value-of-it" } });
  await tenant.call("PUT", "/v1/functions/greet/secrets/OWN", { body: { value: "the-value-of-it" } });
  await tenant.call("PUT", "/v1/settings", {
    body: { on: { failure: [{ type: "function", function: "greet" }] } },
  });
  await post(tenant, {
    type: "function",
    key: "hourly",
    function: "greet",
    input: { a: 1 },
    schedule: { every: "1h" },
  });
  for (const [name, date] of [
    ["it-holidays", "2036-12-25"],
    ["unused", "2036-01-01"],
  ])
    await tenant.call("PUT", `/v1/calendars/${name}`, { body: { dates: [date!] } });
  await tenant.call("PUT", "/v1/queues/mail", { body: MAIL_LIMITS });
  await tenant.call("POST", "/v1/queues/mail/pause");
  await post(tenant, {
    ...{
      ...HTTP,
      key: "nightly",
      queue: "mail",
      labels: { app: "billing" },
      headers: { "X-Token": "{{secrets.TOKEN}}" },
    },
    ...{ schedule: { cron: "30 2 * * *", timezone: "Europe/Rome", exclude: { calendar: "it-holidays" } } },
    ...{ on: { always: [{ task: "hourly" }] } },
  });
  await post(tenant, '{"type":"http","url":"https://example.com/","body":{"b": 1.0},"schedule":"@daily"}');
  const email = { type: "email", to: "ada@example.com", subject: "s", body: "b", schedule: { delay: "1d" } };
  const { id } = await post(tenant, { ...email, key: "later", retry: { maxAttempts: 2 }, timeout: "1m" });
  await tenant.call("POST", `/v1/tasks/${id}/pause`);
  await post(tenant, { ...HTTP, key: "at-once" });
  await post(tenant, { ...HTTP, key: "over", schedule: { every: "1h" } });
  await tenant.call("POST", "/v1/tasks/over/cancel");
  return tenant;
}

test("everything is exported that is still to fire, and how it is set up; secrets by their names alone", async () => {
  const tenant = await fill();
  const { text, lines } = await readExport(tenant);
  assert.deepEqual(ofKind(lines, "settings")[0].settings.on.failure, [
    { type: "function", function: "greet" },
  ]);
  assert.deepEqual(
    ofKind(lines, "secret").map((line) => [line.name, line.function]),
    [
      ["TOKEN", null],
      ["OWN", "greet"],
    ],
  );
  assert.ok(!text.includes("the-value-of-it"));
  assert.ok(text.includes('"body":{"b": 1.0}'), "a body is to the letter");
  const functions = ofKind(lines, "function").map((line) => line.function);
  assert.deepEqual(functions.map(({ name }: Line) => name).sort(), ["greet", "open"]);
  assert.deepEqual(ofKind(lines, "calendar"), [
    { kind: "calendar", name: "it-holidays", dates: ["2036-12-25"] },
    { kind: "calendar", name: "unused", dates: ["2036-01-01"] },
  ]);
  assert.deepEqual(ofKind(lines, "queue"), [
    {
      ...{ kind: "queue", name: "default" },
      limits: { concurrency: null, rate: null, perKey: null, restOn429: false },
    },
    { kind: "queue", name: "mail", limits: MAIL_LIMITS },
  ]);
  const tasks = ofKind(lines, "task");
  for (const kind of ["calendar", "queue"])
    assert.ok(lines.indexOf(ofKind(lines, kind).at(-1)) < lines.indexOf(tasks[0]), `a ${kind} comes first`);
  const ids = (await tenant.call("GET", "/v1/tasks?order=asc")).body.items;
  const keyless = ids.find(({ key }: Line) => key === null);
  assert.deepEqual(
    tasks.map((line) => [line.task.key, line.paused]),
    [
      ["hourly", false],
      ["nightly", false],
      [`task-${keyless.id}`, false],
      ["later", true],
    ],
  );
  assert.deepEqual(lines.at(-1), { kind: "end", tasks: 4 });
});

test("given to another namespace, what was exported is exported from there", async () => {
  const { lines } = await readExport(await fill());
  const other = await newTenant();
  for (const { function: fn } of ofKind(lines, "function")) {
    const path = `/v1/functions/${fn.name}`;
    await other.call("PUT", path, { body: { source: "export default () => 1;" } });
    const { env } = fn;
    assert.equal((await other.call("PATCH", path, { body: { env, public: fn.public } })).status, 200);
  }
  for (const { name, function: fn } of ofKind(lines, "secret"))
    await other.call("PUT", `/v1/${fn ? `functions/${fn}/` : ""}secrets/${name}`, {
      body: { value: "another" },
    });
  assert.equal(
    (await other.call("PUT", "/v1/settings", { body: ofKind(lines, "settings")[0].settings })).status,
    200,
  );
  for (const { name, dates } of ofKind(lines, "calendar"))
    assert.equal((await other.call("PUT", `/v1/calendars/${name}`, { body: { dates } })).status, 201);
  for (const { name, limits } of ofKind(lines, "queue")) {
    const { status } = await other.call("PUT", `/v1/queues/${name}`, { body: limits });
    assert.ok(status === 200 || status === 201, name);
  }
  const items = ofKind(lines, "task").map(({ task }) => task);
  const applied = await other.call("POST", "/v1/tasks/apply", { body: { items } });
  assert.equal(applied.status, 200, JSON.stringify(applied.body));
  for (const { task, paused } of ofKind(lines, "task"))
    if (paused) await other.call("POST", `/v1/tasks/${task.key}/pause`);

  const again = (await readExport(other)).lines;
  const toGiven = (line: Line) => {
    if (line.kind !== "function") return line;
    const { name, env, public: isPublic } = line.function;
    return { name, env, isPublic };
  };
  const sorted = (all: Line[]) => all.map((line) => JSON.stringify(toGiven(line))).sort();
  assert.deepEqual(sorted(again), sorted(lines));
  const once = await other.call("POST", "/v1/tasks/apply", { body: { items, dryRun: true } });
  assert.deepEqual(
    once.body.items.map(({ change }: Line) => change),
    items.map(() => "unchanged"),
  );
});

test("callbacks name tasks as the export does; those of tasks that are over are left out, and it says which", async () => {
  const tenant = await newTenant();
  const named = await post(tenant, { ...HTTP, key: "named", schedule: { every: "1h" } });
  const keyless = await post(tenant, { ...HTTP, schedule: { every: "1h" } });
  const over = await post(tenant, { ...HTTP, key: "over", schedule: { every: "1h" } });
  const call = { type: "http", url: "https://example.com/told" };
  const on = {
    success: [{ task: keyless.id.toUpperCase() }, { task: "over" }, call],
    failure: [{ task: over.id }],
    always: [{ task: "named" }, { task: named.id }],
  };
  await post(tenant, { ...HTTP, key: "calls", schedule: { every: "1h" }, on });
  const ofAll = { failure: [{ task: over.id }, { task: keyless.id }] };
  assert.equal((await tenant.call("PUT", "/v1/settings", { body: { on: ofAll } })).status, 200);
  await tenant.call("POST", "/v1/tasks/over/cancel");

  const { lines } = await readExport(tenant);
  const key = `task-${keyless.id}`;
  const line = ofKind(lines, "task").find(({ task }) => task.key === "calls");
  assert.deepEqual(line.task.on, {
    success: [{ task: key }, call],
    always: [{ task: "named" }, { task: "named" }],
  });
  assert.deepEqual(line.leftOut, [
    { field: "on.success.1", task: "over" },
    { field: "on.failure.0", task: over.id },
  ]);
  const [ofSettings] = ofKind(lines, "settings");
  assert.deepEqual(ofSettings.settings, { on: { failure: [{ task: key }] } });
  assert.deepEqual(ofSettings.leftOut, [{ field: "on.failure.0", task: over.id }]);
  assert.deepEqual(
    ofKind(lines, "task").map((other) => other.leftOut !== undefined),
    [false, false, true],
  );

  const other = await newTenant();
  const items = ofKind(lines, "task").map(({ task }) => task);
  const applied = await other.call("POST", "/v1/tasks/apply", { body: { items } });
  assert.equal(applied.status, 200, JSON.stringify(applied.body));
  const set = await other.call("PUT", "/v1/settings", { body: ofSettings.settings });
  assert.equal(set.status, 200, JSON.stringify(set.body));
  const again = (await readExport(other)).lines;
  const withoutLeftOut = (all: Line[]) => all.map(({ leftOut, ...rest }) => JSON.stringify(rest)).sort();
  assert.deepEqual(withoutLeftOut(again), withoutLeftOut(lines));
});

test("many tasks come page by page, each once, and none of another namespace", async () => {
  const tenant = await newTenant();
  await fill();
  const keys = Array.from({ length: 120 }, (_, index) => `k${index}`);
  const items = keys.map((key) => ({ ...HTTP, key, schedule: { every: "1h" } }));
  await tenant.call("POST", "/v1/tasks/apply", { body: { items } as Json });
  const { lines } = await readExport(tenant);
  assert.deepEqual(
    ofKind(lines, "task").map(({ task }) => task.key),
    // A set is made in the order of its keys.
    keys.toSorted(),
  );
  assert.deepEqual(lines.at(-1), { kind: "end", tasks: keys.length });
});

test("an export asks for the scope read", async () => {
  const tenant = await newTenant();
  assertProblem(await anonymous.call("GET", "/v1/export"), 401, "unauthenticated");
  const invoker = await newCaller(tenant.namespaceId, ["invoke"]);
  assertProblem(await invoker.call("GET", "/v1/export"), 403, "forbidden");
});

test("it breaks off before its end where its key is not valid any more", async () => {
  const tenant = await fill();
  const { watch } = parts.keyring;
  let [end, hasLeft] = [() => {}, false];
  parts.keyring.watch = (key, _owner, onInvalid) => {
    assert.equal(key, tenant.key);
    end = onInvalid;
    return () => {
      hasLeft = true;
    };
  };
  try {
    const { body } = await tenant.request("GET", "/v1/export");
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await reader.read()).value!, /"kind":"settings"/);
    end();
    let rest = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) rest += read.value;
    assert.doesNotMatch(rest, /"kind":"end"/);
    assert.ok(hasLeft);
  } finally {
    parts.keyring.watch = watch;
  }
});
