import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HOUR_MS = 3_600_000;

async function makeTasks(tenant: TestCaller) {
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const make = async (given: object): Promise<string> => {
    const body = { type: "http", url: "https://example.com/", schedule: { delay: "1h" }, ...given };
    return (await tenant.call("POST", "/v1/tasks", { body })).body.id;
  };
  const report = await make({ name: "Daily report", labels: { app: "billing", team: "ops" } });
  const weekly = await make({ name: "weekly REPORT", labels: { app: "billing" }, schedule: { delay: "7d" } });
  const call = await make({ type: "function", url: undefined, function: "greet", labels: { app: "shop" } });
  const paused = await make({ name: "100%" });
  await tenant.call("POST", `/v1/tasks/${paused}/pause`);
  const running = await make({ schedule: undefined });
  const over = await make({ schedule: undefined });
  const { body } = await tenant.call("GET", `/v1/tasks/${over}/runs`);
  await api.work(body.items[0].id, { state: "succeeded", result: 1 });
  return { report, weekly, call, paused, running, over };
}

const listed = async (caller: TestCaller, query: string): Promise<string[]> => {
  const { status, body } = await caller.call("GET", `/v1/tasks?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.items.map(({ id }: { id: string }) => id);
};

test("tasks are found by each parameter, by several at once, and never those of another namespace", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  const { report, weekly, call, paused, running, over } = await makeTasks(tenant);
  await makeTasks(stranger);
  const all = [over, running, paused, call, weekly, report];
  const tomorrow = new Date(Date.now() + 24 * HOUR_MS).toISOString();
  for (const [query, expected] of [
    ["", all],
    ["order=asc", all.toReversed()],
    ["state=active", [running, call, weekly, report]],
    ["state=completed", [over]],
    ["state=paused", [paused]],
    ["state=paused&state=completed", [over, paused]],
    ["state=cancelled", []],
    ["type=function", [call]],
    ["label=app=billing", [weekly, report]],
    ["label=app=billing&label=team=ops", [report]],
    ["label=app=billing&label=app=shop", []],
    ["name=Daily%20report", [report]],
    ["name=daily%20report", []],
    ["q=report", [weekly, report]],
    ["q=%25", [paused]],
    ["q=report&label=team=ops", [report]],
    ["function=greet", [call]],
    ["function=other", []],
    [`nextBefore=${tomorrow}`, [call, report]],
    [`nextAfter=${tomorrow}`, [weekly]],
    [`nextBefore=${tomorrow}&type=http`, [report]],
  ] as const)
    assert.deepEqual(await listed(tenant, query), expected, query);
});

test("a page goes on where it ended, and says about how many match where it is asked", async () => {
  const tenant = await api.newTenant();
  const { call, weekly, report } = await makeTasks(tenant);
  const query = "label=app=billing&limit=1&count=estimate";
  const { body: first } = await tenant.call("GET", `/v1/tasks?${query}`);
  assert.deepEqual([first.items[0].id, first.estimatedCount], [weekly, 2]);
  const { body: second } = await tenant.call("GET", `/v1/tasks?${query}&cursor=${first.nextCursor}`);
  assert.deepEqual([second.items[0].id, second.nextCursor], [report, null]);
  // A cursor is a place in the order, whatever is asked for there.
  assert.deepEqual(await listed(tenant, `cursor=${first.nextCursor}&order=asc&limit=1`), [call]);
});

test("a parameter that nobody knows, or a value that cannot be, is refused by name", async () => {
  const tenant = await api.newTenant();
  for (const [query, field] of [
    ["labels=a", "labels"],
    ["errorCode=timeout", "errorCode"],
    ["state=running", "state"],
    ["type=sms", "type"],
    ["type=http&type=email", "type"],
    ["label=billing", "label"],
    ["label=a=b&label=c", "label"],
    ["name=%00", "name"],
    [`q=${"x".repeat(201)}`, "q"],
    ["function=No%20Name", "function"],
    ["nextBefore=soon", "nextBefore"],
    ["nextAfter=1", "nextAfter"],
    ["order=up", "order"],
    ["count=1", "count"],
  ] as const)
    assertProblem(await tenant.call("GET", `/v1/tasks?${query}`), 422, "invalid_input", [field]);
});
