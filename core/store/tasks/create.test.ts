import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import { TASK_TYPES, type TaskSpec } from "../../domain/task-spec.ts";
import { JsonSource } from "../../json-source.ts";
import { newId } from "../ids.ts";
import { findRun, listRuns } from "../runs/read.ts";
import { deployFunction, httpTask } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import type { PageOptions } from "../walk.ts";
import { createTask } from "./create.ts";
import { findTask, listTasks } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const NOW = new Date("2026-03-02T10:00:00.000Z");
beforeEach(clear);

test("a task with a schedule waits for it: active, its cursor on the first instant, no run yet", async () => {
  const namespaceId = await newNamespace();
  const input = httpTask(
    { kind: "every", everyMs: 10_000 },
    { name: "hook", labels: { team: "ops" }, deadLetter: false, timeoutMs: 1_500 },
  );
  const { task, run } = await createTask(store, { namespaceId, input, now: NOW });
  assert.equal(run, undefined);
  assert.deepEqual([task.state, task.nextRunAt], ["active", new Date("2026-03-02T10:00:10.000Z")]);
  assert.deepEqual(await findTask(store, namespaceId, task.id), task, "what is answered is what is stored");
  assert.deepEqual((await listRuns(store, namespaceId, {}, { limit: 10 })).rows, []);
});

test("each kind of schedule starts at its own first instant", async () => {
  const namespaceId = await newNamespace();
  const cases: [TaskInput["schedule"], string][] = [
    [{ kind: "once", at: "2026-12-01T09:00:00.000Z" }, "2026-12-01T09:00:00.000Z"],
    [{ kind: "delay", delayMs: 500 }, "2026-03-02T10:00:00.500Z"],
    [{ kind: "cron", expression: "0 9 * * *", timezone: "Europe/Rome" }, "2026-03-03T08:00:00.000Z"],
  ];
  for (const [schedule, expected] of cases) {
    const { task } = await createTask(store, { namespaceId, input: httpTask(schedule), now: NOW });
    const stored = await findTask(store, namespaceId, task.id);
    assert.deepEqual([stored?.schedule, stored?.nextRunAt?.toISOString()], [schedule, expected]);
  }
});

test("a task without a schedule is made together with its run, due by the database's clock", async () => {
  const namespaceId = await newNamespace();
  // The maker's clock is of no account.
  const { task, run } = await createTask(store, { namespaceId, input: httpTask({ kind: "now" }), now: NOW });
  assert.deepEqual([task.state, task.nextRunAt], ["active", null], "as long as its run is open");
  assert.deepEqual(await findTask(store, namespaceId, task.id), task);
  const stored = await findRun(store, namespaceId, run!.runId);
  assert.deepEqual(
    [stored?.state, stored?.taskId, stored?.availableAt],
    ["queued", task.id, run!.availableAt],
  );
  const { rows } = await sql<{ due: boolean }>`
    SELECT available_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp() AS due
    FROM task_runs_open`.execute(db);
  assert.deepEqual(rows, [{ due: true }]);
});

test("strange text in a task is stored as jsonb can", async () => {
  const namespaceId = await newNamespace();
  const spec: TaskInput["spec"] = {
    type: "http",
    method: "POST",
    url: "https://example.com/",
    headers: {},
    body: `a${String.fromCharCode(0)}\\u0000`,
    followRedirects: true,
  };
  const { task } = await createTask(store, {
    namespaceId,
    input: httpTask({ kind: "now" }, { spec }),
    now: NOW,
  });
  const stored = await findTask(store, namespaceId, task.id);
  assert.deepEqual(stored?.spec, { ...spec, body: "a\ufffd\\u0000" });
});

test("an http body that is JSON keeps its author's text, and is a value too, for the release before", async () => {
  const namespaceId = await newNamespace();
  const text = '{ "order":1234567890123456789, "b":"\\u0000" }';
  const { spec } = httpTask({ kind: "now" });
  const body = new JsonSource(text);
  const input = httpTask({ kind: "now" }, { spec: { ...spec, body } as TaskInput["spec"] });
  const { task } = await createTask(store, { namespaceId, input, now: NOW });
  assert.deepEqual((await findTask(store, namespaceId, task.id))?.spec, { ...spec, body });
  const { rows } = await sql<{ spec: object }>`SELECT spec FROM tasks`.execute(db);
  const value = { order: Number("1234567890123456789"), b: "\ufffd" };
  assert.deepEqual(rows[0]!.spec, { ...spec, body: value, bodyText: text });
});

test("a function task points at its function, and cannot point at none", async () => {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "greet");
  const spec: TaskInput["spec"] = { type: "function", function: "greet", input: { name: "Ada" } };
  const input = httpTask({ kind: "now" }, { spec });
  const { task, run } = await createTask(store, { namespaceId, input, functionId, now: NOW });
  assert.deepEqual((await findTask(store, namespaceId, task.id))?.spec, spec);
  assert.equal((await findRun(store, namespaceId, run!.runId))?.functionName, "greet");
  await assert.rejects(
    createTask(store, { namespaceId, input, functionId: newId(), now: NOW }),
    /foreign key/,
  );
  await assert.rejects(createTask(store, { namespaceId, input, now: NOW }), /check constraint/);
});

test("the database takes a task of each type", async () => {
  const namespaceId = await newNamespace();
  const greet = await deployFunction(db, namespaceId, "greet");
  for (const type of TASK_TYPES) {
    const input = httpTask({ kind: "now" }, { spec: { type } as TaskSpec });
    const functionId = type === "function" ? greet : null;
    const { task } = await createTask(store, { namespaceId, input, functionId, now: NOW });
    assert.equal((await findTask(store, namespaceId, task.id))?.spec.type, type);
  }
});

test("a list of tasks is newest first, page by page", async () => {
  const namespaceId = await newNamespace();
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    ids.push(
      (await createTask(store, { namespaceId, input: httpTask({ kind: "delay", delayMs: 1 }), now: NOW }))
        .task.id,
    );
  }
  const list = async (page: Omit<PageOptions, "limit">) => {
    const { rows, nextId } = await listTasks(store, namespaceId, {}, { limit: 3, ...page });
    return [rows.map(({ id }) => id), nextId];
  };
  assert.deepEqual(await list({}), [ids.toReversed().slice(0, 3), ids[2]]);
  assert.deepEqual(await list({ afterId: ids[2] }), [ids.toReversed().slice(3), null]);
  assert.deepEqual(await list({ order: "asc" }), [ids.slice(0, 3), ids[2]]);
  assert.deepEqual(await list({ order: "asc", afterId: ids[2] }), [ids.slice(3), null]);
  assert.deepEqual(await list({ afterId: ids[0] }), [[], null]);
});
