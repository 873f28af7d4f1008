/** `POST /v1/tasks/apply`: a set of tasks becomes what it says, all or nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SET_TASKS } from "../../core/domain/task-set.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, bells } = await openApi();
const task = (key: string, fields: object = {}) => ({
  ...{
    key,
    type: "http",
    url: "https://example.com/",
    schedule: { every: "1h" },
    labels: { app: "billing" },
  },
  ...fields,
});
const apply = (tenant: TestCaller, items: unknown[], more: object = {}) =>
  tenant.call("POST", "/v1/tasks/apply", { body: { items, ...more } as never });
const PRUNE = { prune: { label: "app=billing" } };

const keysOf = async (tenant: TestCaller) =>
  (await tenant.call("GET", "/v1/tasks")).body.items.map(({ key }: { key: string }) => key).sort();
type Item = { key: string; change: string; diff: unknown[]; id: string | null };
const changesOf = ({ body }: { body: { items: Item[] } }) =>
  body.items.map(({ key, change }) => [key, change]);

test("a set is made, and made again nothing of it changes", async () => {
  const tenant = await newTenant();
  const set = [task("a"), task("b", { name: "b" })];
  const first = await apply(tenant, set);
  assert.equal(first.status, 200);
  assert.deepEqual(changesOf(first), [
    ["a", "created"],
    ["b", "created"],
  ]);
  const before = (await tenant.call("GET", "/v1/tasks")).body;
  const again = await apply(tenant, set);
  assert.deepEqual(
    again.body.items.map(({ change, diff, id }: Item) => [change, diff, id]),
    first.body.items.map(({ id }: Item) => ["unchanged", [], id]),
  );
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body, before);
});

test("what changed is told field by field; what the set no longer names goes only where it is asked for, by its label", async () => {
  const tenant = await newTenant();
  const alien = await newTenant();
  await apply(alien, [task("b")]);
  await apply(tenant, [task("a"), task("b"), task("c", { labels: { app: "mail" } })]);
  await tenant.call("POST", "/v1/tasks", { body: { ...task(""), key: null } as never });
  const changed = await apply(tenant, [task("a", { timeout: "1m" })]);
  assert.deepEqual(changed.body.items[0].diff, [{ field: "timeout", from: "30s", to: "1m" }]);
  assert.deepEqual(await keysOf(tenant), ["a", "b", "c", null].sort());

  const { body: run } = await tenant.call("POST", "/v1/tasks/b/run");
  const pruned = await apply(tenant, [task("a", { timeout: "1m" }), task("d")], PRUNE);
  assert.deepEqual(changesOf(pruned), [
    ["a", "unchanged"],
    ["d", "created"],
    ["b", "pruned"],
  ]);
  assert.deepEqual(
    await keysOf(tenant),
    ["a", "c", "d", null].sort(),
    "one without a key is nobody's to prune",
  );
  assert.equal((await tenant.call("GET", `/v1/runs/${run.id}`)).body.state, "cancelled");
  assert.deepEqual(await keysOf(alien), ["b"]);
  assert.deepEqual(changesOf(await apply(tenant, [], { prune: { label: ["app=billing", "tier=1"] } })), []);
  assert.deepEqual(
    changesOf(await apply(tenant, [], PRUNE)).map(([, change]) => change),
    ["pruned", "pruned"],
  );
});

test("a dry run answers the same and changes nothing", async () => {
  const tenant = await newTenant();
  await apply(tenant, [task("a"), task("b")]);
  const before = (await tenant.call("GET", "/v1/tasks")).body;
  const set = [task("a", { name: "n" }), task("c")];
  const dry = await apply(tenant, set, { ...PRUNE, dryRun: true });
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body, before);
  const real = await apply(tenant, set, PRUNE);
  const told = (items: Item[]) =>
    items.map((item) => (item.change === "created" ? { ...item, id: null } : item));
  assert.deepEqual([dry.body.dryRun, real.body.dryRun], [true, false]);
  assert.deepEqual(dry.body.items, told(real.body.items));
});

test("one invalid item refuses the whole, and every fault is told where it is", async () => {
  const tenant = await newTenant();
  await apply(tenant, [task("a"), task("old")]);
  const before = (await tenant.call("GET", "/v1/tasks")).body;
  const refused = await apply(
    tenant,
    [
      task("a", { name: "changed" }),
      task("b"),
      task("c", { url: "nowhere" }),
      task("d", { schedule: { cron: "61 * * * *" } }),
      task("e", { type: "function", url: undefined, function: "nobody" }),
    ],
    PRUNE,
  );
  assertProblem(refused, 422, "invalid_input", ["items.2.url", "items.3.schedule.cron", "items.4.function"]);
  assertProblem(
    await apply(tenant, [task("e", { type: "function", url: undefined, function: "nobody" })]),
    422,
    "unknown_function",
    ["items.0.function"],
  );
  for (const [items, field] of [
    [[task("a"), { ...task("x"), key: undefined }], "items.1.key"],
    [[task("a"), task("apply")], "items.1.key"],
    [[task("a"), task("b"), task("a")], "items.2.key"],
    [[task("a"), 7], "items.1.key"],
    [[task("f", { on: { always: [{ task: "nobody" }] } })], "items.0.on.always.0.task"],
    [
      [task("a", { type: "email", url: undefined, to: "a@example.com", subject: "s", body: "b" })],
      "items.0.type",
    ],
    [Array.from({ length: MAX_SET_TASKS + 1 }, (_, index) => task(`k${index}`)), "items"],
    ["all", "items"],
  ] as [unknown[], string][])
    assertProblem(await apply(tenant, items), 422, "invalid_input", [field]);
  assertProblem(await apply(tenant, [], { prune: { label: "billing" } }), 422, "invalid_input", [
    "prune.label.0",
  ]);
  assertProblem(await apply(tenant, [], { prune: {} }), 422, "invalid_input", ["prune.label"]);
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body, before);
  assertProblem(await apply(await newCaller(tenant.namespaceId, ["read", "invoke"]), []), 403, "forbidden");
});

test("tasks of a set may call each other, and none that goes with it", async () => {
  const tenant = await newTenant();
  const calls = (key: string) => ({ on: { failure: [{ task: key }] } });
  assert.equal((await apply(tenant, [task("a", calls("b")), task("b", calls("a"))])).status, 200);
  assertProblem(await apply(tenant, [task("a", calls("b"))], PRUNE), 422, "invalid_input", [
    "items.0.on.failure.0.task",
  ]);
  assert.deepEqual(await keysOf(tenant), ["a", "b"]);
});

test("a task of a set that runs at once is rung, and runs once", async () => {
  const tenant = await newTenant();
  const set = [task("now", { schedule: undefined })];
  await apply(tenant, set);
  const { body } = await tenant.call("GET", "/v1/tasks/now/runs");
  await bells.waitFor(({ runId }) => runId === body.items[0].id);
  await apply(tenant, set);
  assert.equal((await tenant.call("GET", "/v1/tasks/now/runs")).body.items.length, 1);
});

test("sets that meet are done one after the other, and nobody is refused", async () => {
  const tenant = await newTenant();
  const keys = Array.from({ length: 12 }, (_, index) => `k${index}`);
  const sets = [keys, keys.toReversed(), keys].map((each, name) =>
    each.map((key) => task(key, { name: `${name}` })),
  );
  const answers = await Promise.all(sets.map((set) => apply(tenant, set, PRUNE)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  const { items } = (await tenant.call("GET", "/v1/tasks")).body;
  assert.equal(items.length, keys.length);
  assert.equal(new Set(items.map(({ name }: { name: string }) => name)).size, 1, "all of one set");
});

test("sets of the same new keys, in whichever order, are applied one after the other", async () => {
  const tenant = await newTenant();
  const items = Array.from({ length: 20 }, (_, n) => task(`key-${n}`));
  const answers = await Promise.all(
    [items, items.toReversed(), items, items.toReversed()].map((set) => apply(tenant, set)),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const changes = answers.flatMap(({ body }) => body.items.map(({ change }: Item) => change));
  assert.equal(changes.filter((change) => change === "created").length, items.length);
  assert.deepEqual(
    answers[1]!.body.items.map(({ key }: Item) => key),
    items.toReversed().map(({ key }) => key),
    "answered in their own order",
  );
});
