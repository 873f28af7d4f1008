import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { LIST_ORDERS } from "../../contracts/common.ts";
import type { TaskFilter } from "../../contracts/task-filter.ts";
import { TASK_STATES, type Task, type TaskState } from "../../contracts/task-output.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { deployFunction, httpTask } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { readWalks } from "../walk.ts";
import { createTask } from "./create.ts";
import { cancelTask } from "./end.ts";
import { planTaskWalks, taskConditions } from "./filter.ts";
import { pauseTask } from "./pause-resume.ts";
import { estimateTasks, listTasks } from "./read.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const ours = await newNamespace();
const now = new Date();
const inHours = (count: number) => new Date(now.getTime() + count * 3_600_000);
const NAMES = ["Daily report", "daily Report 2", "50% off_today", null];
const LABELS: Record<string, string>[] = [
  { app: "billing", team: "a=b" },
  { app: "billing" },
  { app: "shop" },
  {},
];

/** Active, paused, cancelled, with an open run, and over, of every name and every set of labels. */
async function makeTasks(namespaceId: string, count: number): Promise<void> {
  const functionId = await deployFunction(db, namespaceId, "mail");
  for (let n = 0; n < count; n += 1) {
    const schedule =
      n % 5 > 2 ? ({ kind: "now" } as const) : ({ kind: "delay", delayMs: (n + 1) * 3_600_000 } as const);
    const calls = n % 3 === 0;
    const input = httpTask(schedule, {
      name: NAMES[n % NAMES.length]!,
      labels: LABELS[(n >> 2) % LABELS.length]!,
      ...(calls && { spec: { type: "function", function: "mail", input: null } }),
    });
    const { task } = await createTask(store, { namespaceId, input, now, ...(calls && { functionId }) });
    if (n % 5 === 1) await pauseTask(store, namespaceId, task.id, now);
    if (n % 5 === 2) await cancelTask(store, namespaceId, task.id, now);
    if (n % 5 === 4) await sql`DELETE FROM task_runs WHERE task_id = ${task.id}`.execute(db);
  }
}

let all: Task[];
before(async () => {
  await makeTasks(ours, 60);
  await makeTasks(await newNamespace(), 20);
  all = (await listTasks(store, ours, {}, { limit: 200 })).rows;
});

const SINGLE: TaskFilter[] = [
  ...TASK_STATES.map((state) => ({ state: [state] })),
  ...[
    ["paused", "cancelled"],
    ["active", "completed", "paused"],
  ].map((state) => ({ state: state as TaskState[] })),
  ...["http", "email", "function"].map((type) => ({ type: type as TaskType })),
  ...[["app=billing"], ["app=billing", "team=a=b"], ["app=billing", "app=shop"], ["app=bill"], ["none="]].map(
    (label) => ({ label }),
  ),
  ...["Daily report", "daily report"].map((name) => ({ name })),
  ...["REPORT", "%", "_", "nothing"].map((q) => ({ q })),
  ...["mail", "nothing"].map((name) => ({ function: name })),
  ...[0, 20, 1_000].flatMap((hours) => [{ nextBefore: inHours(hours) }, { nextAfter: inHours(hours) }]),
];

/** What the filter says, said again. */
function matches(task: Task, filter: TaskFilter): boolean {
  const { state, type, label, name, q, function: called, nextBefore, nextAfter } = filter;
  const has = (pair: string) =>
    Object.entries(task.labels).some(([key, value]) => pair === `${key}=${value}`);
  return (
    (!state || state.includes(task.state)) &&
    (type === undefined || task.spec.type === type) &&
    (!label || label.every(has)) &&
    (name === undefined || task.name === name) &&
    (q === undefined || (task.name ?? "").toLowerCase().includes(q.toLowerCase())) &&
    (called === undefined || (task.spec.type === "function" && task.spec.function === called)) &&
    (!nextBefore || (task.nextRunAt !== null && task.nextRunAt < nextBefore)) &&
    (!nextAfter || (task.nextRunAt !== null && task.nextRunAt >= nextAfter))
  );
}

const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id);

async function assertFinds(filter: TaskFilter): Promise<void> {
  const newestFirst = idsOf(all.filter((task) => matches(task, filter)));
  for (const order of LIST_ORDERS) {
    const expected = order === "desc" ? newestFirst : newestFirst.toReversed();
    for (const maxRows of [undefined, 20]) {
      const seen: string[] = [];
      for (let afterId: string | null | undefined; afterId !== null; ) {
        const page = { limit: 15, order, afterId };
        const walks = planTaskWalks(ours, filter).map((walk) => ({ ...walk, maxRows }));
        const found = maxRows
          ? await readWalks(
              db,
              walks as ReturnType<typeof planTaskWalks>,
              { select: (rows) => sql<{ id: string }>`SELECT id FROM (${rows}) r` },
              page,
            )
          : await listTasks(store, ours, filter, page);
        seen.push(...idsOf(found.rows));
        afterId = found.nextId;
      }
      assert.deepEqual(seen, expected);
    }
  }
  assert.equal(await estimateTasks(store, ours, filter), newestFirst.length);
  const { rows } = await sql<{ id: string }>`SELECT id FROM tasks r
    WHERE ${sql.join(taskConditions(ours, filter), sql` AND `)} ORDER BY id DESC`.execute(db);
  assert.deepEqual(idsOf(rows), newestFirst);
}

describe("a filter of tasks finds what matches, of its namespace alone, page by page in either order", () => {
  for (const filter of SINGLE)
    test(JSON.stringify(filter), async () => {
      await assertFinds(filter);
    });
});

test("filters narrow each other, whichever are combined", async () => {
  let found = 0;
  for (const [index, one] of SINGLE.entries())
    for (const other of SINGLE.slice(index + 1).filter((_, next) => (index + next) % 11 === 0)) {
      await assertFinds({ ...one, ...other });
      if (all.some((task) => matches(task, { ...one, ...other }))) found += 1;
    }
  assert.ok(found > 5, "some find something");
});

test("a state that is named twice is walked once", () => {
  assert.equal(planTaskWalks(ours, { state: ["paused", "paused"] }).length, 1);
});
