import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { createSlowTurns } from "../../../test/support/slow-turns.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { QueryScope } from "../database.ts";
import { httpTask } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { createTask } from "./create.ts";
import { listNextOfTask, listUpcoming, type UpcomingPosition } from "./upcoming.ts";

const { store, newNamespace, clear } = await openTestStore(createTestDatabase);
const T0 = Date.parse("2026-03-02T10:00:00.000Z");
const at = (minutes: number) => new Date(T0 + minutes * 60_000);
const UNTIL = at(1_440);
beforeEach(clear);

/** A task made at T0, and as many copies of it as make `count`. */
async function make(namespaceId: string, schedule: Schedule, count = 1): Promise<void> {
  const { task } = await createTask(store, { namespaceId, input: httpTask(schedule), now: at(0) });
  await store.pool.query(
    `INSERT INTO tasks SELECT made.* FROM tasks t,
      (SELECT gen_random_uuid() AS id FROM generate_series(2, $2) OFFSET 0) AS other,
      jsonb_populate_record(t, jsonb_build_object('id', other.id)) AS made WHERE t.id = $1`,
    [task.id, count],
  );
}

/** A page, and how many tasks were read for it. */
async function readPage(namespaceId: string, limit: number, after?: UpcomingPosition) {
  let readCount = 0;
  const query = async (...given: Parameters<typeof store.pool.query>) => {
    const answer = await store.pool.query(...given);
    readCount += (answer as unknown as { rows: unknown[] }).rows.length;
    return answer;
  };
  const scope = { ...store, pool: Object.create(store.pool, { query: { value: query } }) } as QueryScope;
  return { items: await listUpcoming(scope, namespaceId, UNTIL, after, limit), readCount };
}

test("of very many tasks of one instant a page reads a few, in the order of their ids", async () => {
  const namespaceId = await newNamespace();
  await make(namespaceId, { kind: "cron", expression: "0 11 * * *", timezone: "UTC" }, 1_200);
  const { items, readCount } = await readPage(namespaceId, 10);
  const { rows } = await store.pool.query<{ id: string }>("SELECT id FROM tasks ORDER BY id LIMIT 10");
  assert.deepEqual(
    items.map(({ taskId }) => taskId),
    rows.map(({ id }) => id),
  );
  assert.ok(readCount <= 250, `${readCount} were read`);
});

test("a later page passes by what has fired for good", async () => {
  const namespaceId = await newNamespace();
  await make(namespaceId, { kind: "delay", delayMs: 60_000 }, 600);
  await make(namespaceId, { kind: "delay", delayMs: 300_000 });
  await make(namespaceId, { kind: "every", everyMs: 120_000 });
  const last = "ffffffff-ffff-ffff-ffff-ffffffffffff";
  const { items, readCount } = await readPage(namespaceId, 3, { atMs: at(2).getTime(), taskId: last });
  assert.deepEqual(
    items.map(({ effectiveAt }) => effectiveAt),
    [at(4), at(5), at(6)],
  );
  assert.equal(readCount, 2);
});

test("pages, one after another, hold each instant once", async () => {
  const namespaceId = await newNamespace();
  await make(namespaceId, { kind: "every", everyMs: 3_600_000 }, 40);
  await make(namespaceId, { kind: "every", everyMs: 5_400_000, jitterMs: 1_000, maxRuns: 3 });
  const seen: string[] = [];
  for (let after: UpcomingPosition | undefined; ; ) {
    const { items } = await readPage(namespaceId, 7, after);
    seen.push(...items.map(({ taskId, effectiveAt }) => `${effectiveAt.toISOString()} ${taskId}`));
    const end = items.at(-1);
    if (!end) break;
    after = { atMs: end.effectiveAt.getTime(), taskId: end.taskId };
  }
  assert.equal(seen.length, 40 * 24 + 3);
  assert.equal(new Set(seen).size, seen.length);
  assert.deepEqual(seen, seen.toSorted());
});

test("a task's next instants are those that are found in time, and it is said where there may be more", async () => {
  const namespaceId = await newNamespace();
  await make(namespaceId, { kind: "every", everyMs: 3_600_000, maxRuns: 4 });
  const { rows } = await store.pool.query<{ id: string }>("SELECT id FROM tasks");
  const list = async (count: number, stepMs: number) => {
    const found = await listNextOfTask(store, namespaceId, rows[0]!.id, count, createSlowTurns(stepMs));
    return [found?.instants.length, found?.isCut];
  };
  assert.deepEqual(await list(100, 125), [2, true]);
  assert.deepEqual(await list(2, 125), [2, false], "no more were asked for");
  assert.deepEqual(await list(100, 1), [4, false], "there are no more");
});
