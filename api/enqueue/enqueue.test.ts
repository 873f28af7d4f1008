import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { installSqlFunctions } from "../../core/store/enqueue/sql-functions.ts";
import { describeEnqueue } from "../../core/store/enqueue/task-contract.ts";
import { DEFAULT_NAMESPACE, ensureNamespace } from "../../core/store/keys.ts";
import { deployFunction } from "../../core/store/testing/samples.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { takeOne } from "./intake.ts";

const api = await openApi();
const { pool, db } = api.store;
const namespaceId = await ensureNamespace(db, DEFAULT_NAMESPACE);
const caller = await api.newCaller(namespaceId, ["admin"]);
await installSqlFunctions(api.store, describeEnqueue());
const HTTP = { type: "http", url: "https://example.com/hook" };

async function enqueue(task: object | string): Promise<string> {
  const text = typeof task === "string" ? task : JSON.stringify(task);
  return (await pool.query<{ id: string }>("SELECT bellhop.enqueue($1) AS id", [text])).rows[0]!.id;
}
const cancel = async (task: string) =>
  (await pool.query<{ found: boolean }>("SELECT bellhop.cancel($1) AS found", [task])).rows[0]!.found;
const anywhere = () => ({ namespaceId: randomUUID() });
async function takeAll(): Promise<string[]> {
  const outcomes: string[] = [];
  const turn = anywhere();
  for (let outcome = await takeOne(api.parts, turn); outcome; outcome = await takeOne(api.parts, turn))
    outcomes.push(outcome);
  return outcomes;
}

test("an enqueued task is made as POST /v1/tasks makes it, by the id that was answered, and its run is rung", async () => {
  const id = await enqueue('{"type":"http","url":"https://example.com/hook","body":{"total": 10.50}}');
  assert.equal((await caller.call("GET", `/v1/tasks/${id}`)).status, 404);
  assert.deepEqual(await takeAll(), ["made"]);
  const { status } = await caller.call("GET", `/v1/tasks/${id}`);
  assert.equal(status, 200);
  const response = await caller.request("GET", `/v1/tasks/${id}`);
  assert.match(await response.text(), /"body":\{"total": 10\.50\}/, "to the letter");
  const { body: runs } = await caller.call("GET", `/v1/runs?taskId=${id}`);
  await api.bells.waitFor(({ runId }) => runId === runs.items[0].id);
  assert.deepEqual(await takeAll(), [], "once");
});

test("its time runs from the moment it was enqueued, whenever it is made", async () => {
  const id = await enqueue({ ...HTTP, schedule: { delay: "1h" } });
  const at = new Date(Date.now() + 30_000).toISOString();
  const soonId = await enqueue({ ...HTTP, schedule: { at } });
  const { rows } = await pool.query<{ at: Date }>(
    "UPDATE enqueued_tasks SET enqueued_at = enqueued_at - interval '2 hours' WHERE task_id = $1 RETURNING enqueued_at AS at",
    [id],
  );
  assert.deepEqual(await takeAll(), ["made", "made"]);
  const { body: task } = await caller.call("GET", `/v1/tasks/${id}`);
  assert.equal(Date.parse(task.nextRunAt), rows[0]!.at.getTime() + 3_600_000);
  assert.equal((await caller.call("GET", `/v1/tasks/${soonId}`)).body.nextRunAt, at);
});

test("what only the API finds is kept as an invalid task with its reason, and is no task", async () => {
  const id = await enqueue({ type: "function", function: "no-such", input: { order: 7 } });
  const cronId = await enqueue({ ...HTTP, schedule: { cron: "0 0 30 2 *" } });
  await deployFunction(db, namespaceId, "known");
  const soundId = await enqueue({ type: "function", function: "known", input: 1 });
  assert.deepEqual(await takeAll(), ["refused", "refused", "made"]);
  for (const refused of [id, cronId])
    assert.equal((await caller.call("GET", `/v1/tasks/${refused}`)).status, 404);
  assert.equal((await caller.call("GET", `/v1/tasks/${soundId}`)).status, 200);

  const { body: page } = await caller.call("GET", "/v1/invalid-tasks?limit=1");
  assert.equal(page.items[0].id, cronId);
  assert.match(page.items[0].problem.detail, /^schedule\.cron: /);
  const { body: rest } = await caller.call("GET", `/v1/invalid-tasks?cursor=${page.nextCursor}`);
  const [invalid] = rest.items;
  assert.equal(rest.nextCursor, null);
  assert.deepEqual(
    [invalid.id, invalid.state, invalid.problem.code, invalid.task.input],
    [id, "invalid", "unknown_function", { order: 7 }],
  );
  const stranger = await api.newTenant();
  assert.deepEqual((await stranger.call("GET", "/v1/invalid-tasks")).body.items, []);
  assertProblem(await stranger.call("DELETE", `/v1/invalid-tasks/${id}`), 404, "not_found");
  for (const refused of [id, cronId])
    assert.equal((await caller.call("DELETE", `/v1/invalid-tasks/${refused}`)).status, 204);
  assertProblem(await caller.call("DELETE", `/v1/invalid-tasks/${id}`), 404, "not_found");
});

test("a key that is taken makes an invalid task, too", async () => {
  const task = { ...HTTP, key: "reminder:order-7", schedule: { delay: "1h" } };
  await enqueue(task);
  const second = await enqueue(task);
  assert.deepEqual(await takeAll(), ["made", "refused"]);
  const { body } = await caller.call("GET", "/v1/invalid-tasks");
  assert.deepEqual([body.items[0].id, body.items[0].problem.code], [second, "task_key_taken"]);
});

test("a cancel ends a task that was made, by its id or its key; of one that is over there is none", async () => {
  const id = await enqueue({ ...HTTP, schedule: { delay: "1h" } });
  await enqueue({ ...HTTP, schedule: { delay: "1h" }, key: "by-key" });
  assert.deepEqual(await takeAll(), ["made", "made"]);
  assert.deepEqual([await cancel(id), await cancel("by-key")], [true, true]);
  assert.deepEqual(await takeAll(), ["cancelled", "cancelled"]);
  for (const name of [id, "by-key"])
    assert.equal((await caller.call("GET", `/v1/tasks/${name}`)).body.state, "cancelled");
  assert.deepEqual([await cancel(id), await cancel("no-such-key")], [false, false]);
});

test("a cancel ends a task whose last run is open, and knows nothing of one that has ended", async () => {
  const id = await enqueue(HTTP);
  assert.deepEqual(await takeAll(), ["made"]);
  assert.equal(await cancel(id), true);
  assert.deepEqual(await takeAll(), ["cancelled"]);
  const { body } = await caller.call("GET", `/v1/runs?taskId=${id}`);
  assert.deepEqual(
    body.items.map((run: { state: string }) => run.state),
    ["cancelled"],
  );
  const endedId = await enqueue(HTTP);
  assert.deepEqual(await takeAll(), ["made"]);
  const runs = (await caller.call("GET", `/v1/runs?taskId=${endedId}`)).body.items;
  await api.work(runs[0].id, { state: "succeeded", result: 1 });
  assert.equal(await cancel(endedId), false);
});

test("what is nested more deeply than the API takes is an invalid task", async () => {
  const deep = `${"[".repeat(300)}${"]".repeat(300)}`;
  const id = await enqueue(`{"type":"http","url":"https://example.com/hook","body":${deep}}`);
  assert.deepEqual(await takeAll(), ["refused"]);
  const { body } = await caller.call("GET", "/v1/invalid-tasks?limit=1");
  assert.deepEqual([body.items[0].id, body.items[0].problem.code], [id, "invalid_json"]);
  assert.equal((await caller.call("DELETE", `/v1/invalid-tasks/${id}`)).status, 204);
});

test("two APIs take what is enqueued once between them", async () => {
  const ids = await Promise.all(
    Array.from({ length: 8 }, () => enqueue({ ...HTTP, schedule: { delay: "1h" } })),
  );
  const outcomes = await Promise.all([takeAll(), takeAll()]);
  assert.equal(outcomes.flat().length, ids.length);
  for (const id of ids) assert.equal((await caller.call("GET", `/v1/tasks/${id}`)).status, 200);
});

test("what fails for the database's sake waits, and is made by the next look", async () => {
  const id = await enqueue({ ...HTTP, schedule: { delay: "1h" } });
  const away = Object.assign(new Error("terminating connection"), { code: "57P01" });
  const broken = {
    ...api.parts,
    get mail(): never {
      throw away;
    },
  };
  await assert.rejects(takeOne(broken, anywhere()), away);
  assert.deepEqual(await takeAll(), ["made"]);
  assert.equal((await caller.call("GET", `/v1/tasks/${id}`)).status, 200);
});

test("what fails again and again does not hold up what waits behind it", async () => {
  const stuck = await enqueue({ ...HTTP, schedule: { delay: "1h" } });
  assert.deepEqual(await takeAll(), ["made"]);
  await pool.query(`
    CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stuck'; END $$;
    CREATE TRIGGER refuse_it BEFORE UPDATE ON tasks FOR EACH ROW WHEN (OLD.id = '${stuck}') EXECUTE FUNCTION refuse_it()`);
  assert.equal(await cancel(stuck), true);
  const behind = await enqueue({ ...HTTP, schedule: { delay: "1h" } });
  await assert.rejects(takeOne(api.parts, anywhere()), /stuck/);
  // Its connection has given back what it held.
  await pool.query("SELECT FROM enqueued_tasks FOR UPDATE");
  assert.equal(await takeOne(api.parts, anywhere()), "made");
  assert.equal((await caller.call("GET", `/v1/tasks/${behind}`)).status, 200);
  await pool.query("DROP TRIGGER refuse_it ON tasks");
  assert.deepEqual(await takeAll(), ["cancelled"]);
});

test("namespaces take turns: one that has enqueued much keeps nobody else waiting", async () => {
  const { namespaceId: few } = await api.newTenant();
  for (let count = 0; count < 10; count += 1) await enqueue({ ...HTTP, schedule: { delay: "1h" } });
  for (const before of [few, namespaceId, randomUUID()]) {
    const id = await enqueue({ ...HTTP, schedule: { delay: "1h" } });
    await pool.query("UPDATE enqueued_tasks SET namespace_id = $1 WHERE task_id = $2", [few, id]);
    const turn = { namespaceId: before };
    const served = [];
    for (let count = 0; count < 2; count += 1) {
      await takeOne(api.parts, turn);
      served.push(turn.namespaceId);
    }
    assert.deepEqual(served.sort(), [few, namespaceId].sort(), `beginning after ${before}`);
  }
  await takeAll();
});
