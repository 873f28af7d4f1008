/** Which tasks and retries passes take where more are due than one may. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { drawSeed } from "../../../test/support/properties.ts";
import { createRandom } from "../../../test/support/random.ts";
import { createTask } from "../tasks/create.ts";
import { httpTask, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { queueDueRetries } from "./queue-retries.ts";
import { stageOccurrences } from "./stage.ts";

const { store, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const T0 = Date.parse("2026-03-02T10:00:00.000Z");
const at = (ms: number) => new Date(T0 + ms);

/** So many tasks that fire once, in so many milliseconds from T0. */
async function makeMany(namespaceId: string, count: number, inMs: number): Promise<void> {
  const input = httpTask({ kind: "once", at: at(inMs).toISOString() });
  const { task } = await createTask(store, { namespaceId, input, now: at(0) });
  await store.pool.query(
    `INSERT INTO tasks SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
     FROM tasks t, generate_series(2, $2::int) WHERE t.id = $1`,
    [task.id, count],
  );
}

/** So many runs whose next attempt is due in so many milliseconds from T0. */
async function makeRetries(namespaceId: string, count: number, inMs: number): Promise<void> {
  const runId = await queueRun(store, namespaceId);
  await store.pool.query(
    `WITH first AS (
       UPDATE task_runs_open SET state = 'scheduled', attempt = 2, available_at = $3 WHERE id = $1 RETURNING *
     )
     INSERT INTO task_runs_open SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(),
       'state', 'scheduled', 'available_at', $3::timestamptz))).*
     FROM task_runs_open r, generate_series(2, $2::int) WHERE r.id = $1 AND EXISTS (SELECT FROM first)`,
    [runId, count, at(inMs)],
  );
}

async function countQueued(namespaceId: string): Promise<number> {
  const text =
    "SELECT count(*)::int AS count FROM task_runs_open WHERE namespace_id = $1 AND state = 'queued'";
  return (await store.pool.query<{ count: number }>(text, [namespaceId])).rows[0]!.count;
}

async function countRuns(namespaceId: string): Promise<number> {
  const text =
    "SELECT count(*)::int AS count, count(DISTINCT task_id)::int AS tasks FROM task_runs_open WHERE namespace_id = $1";
  const { rows } = await store.pool.query<{ count: number; tasks: number }>(text, [namespaceId]);
  assert.equal(rows[0]!.count, rows[0]!.tasks, "each once");
  return rows[0]!.count;
}

test("a few tasks beside many thousands are staged by the second pass, though they are due last", async () => {
  const [crowd, few] = [await newNamespace(), await newNamespace()];
  await makeMany(crowd, 5_000, 1_000);
  await makeMany(few, 10, 2_000);
  for (let pass = 0; pass < 2; pass += 1)
    assert.equal((await stageOccurrences(store, at(2_000), at(3_000), 100)).taskCount, 100);
  assert.deepEqual([await countRuns(crowd), await countRuns(few)], [190, 10]);
});

test("a few retries beside many thousands are queued by the second pass, though they are due last", async () => {
  const [crowd, few] = [await newNamespace(), await newNamespace()];
  await makeRetries(crowd, 5_000, 1_000);
  await makeRetries(few, 10, 2_000);
  for (let pass = 0; pass < 2; pass += 1)
    assert.equal((await queueDueRetries(store, at(3_000), 100)).length, 100);
  assert.deepEqual([await countQueued(crowd), await countQueued(few)], [190, 10]);
});

test("passes of several schedulers queue all retries that are due, and each once", async () => {
  const expected = new Map<string, number>();
  for (const [count, inMs] of [
    [60, 1_000],
    [1, 2_000],
    [25, 1_500],
    [30, 3_600_000],
  ] as const) {
    const namespaceId = await newNamespace();
    await makeRetries(namespaceId, count, inMs);
    expected.set(namespaceId, inMs > 3_000 ? 0 : count);
  }
  const queued: string[] = [];
  const drain = async (scheduler: typeof store) => {
    for (let batch = 7; batch === 7; ) {
      const runs = await queueDueRetries(scheduler, at(3_000), 7);
      queued.push(...runs.map(({ runId }) => runId));
      batch = runs.length;
    }
  };
  await Promise.all([drain(store), drain({ ...store, pool: Object.create(store.pool) })]);
  await drain(store);
  assert.equal(new Set(queued).size, queued.length);
  for (const [namespaceId, count] of expected) assert.equal(await countQueued(namespaceId), count);
});

test("passes of several schedulers stage all that is due, and each task once, whatever is due", async () => {
  const seed = drawSeed();
  const random = createRandom(seed);
  for (let round = 0; round < 5; round += 1) {
    await clear();
    const expected = new Map<string, number>();
    for (let left = random.whole(1, 12); left > 0; left -= 1) {
      const namespaceId = await newNamespace();
      const count = random.whole(1, random.pick([2, 60]));
      const inMs = random.pick([1_000, 1_500, 2_000, 3_600_000]);
      await makeMany(namespaceId, count, inMs);
      expected.set(namespaceId, inMs > 3_000 ? 0 : count);
    }
    const pool = Object.create(store.pool);
    const schedulers = [store, { ...store, pool }].map(async (scheduler) => {
      const limit = random.whole(1, 25);
      while ((await stageOccurrences(scheduler, at(2_000), at(3_000), limit)).taskCount === limit);
    });
    await Promise.all(schedulers);
    // One may have passed over what the other had locked.
    assert.equal((await stageOccurrences(store, at(2_000), at(3_000), 1_000)).taskCount, 0, `seed ${seed}`);
    for (const [namespaceId, count] of expected)
      assert.equal(await countRuns(namespaceId), count, `seed ${seed}, round ${round}`);
  }
});
