import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { glanceAtDemand } from "./demand.ts";
import { newId } from "./ids.ts";
import { LOOK_AHEAD_MS, lookAround } from "./look-around.ts";
import { createTask } from "./tasks/create.ts";
import { httpTask, queueRun } from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";
import { renewLease } from "./workers.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const NOTHING = { hasWork: false, hasCalls: false, hasShares: false, hasEnqueued: false };

/** What goes on, without the database's word. */
async function look() {
  const { hasWork, hasCalls, hasShares, hasEnqueued } = await lookAround(store);
  return { hasWork, hasCalls, hasShares, hasEnqueued };
}

const tellBusy = (busy: number, leaseMs: number) =>
  renewLease(db, { id: newId(), host: "h", pid: 1, slots: 10, busy }, leaseMs, false);

test("a look tells of a task whose instant comes within seconds, and of none that comes later", async () => {
  const namespaceId = await newNamespace();
  const planAt = async (at: Date) =>
    await createTask(store, {
      namespaceId,
      input: httpTask({ kind: "once", at: at.toISOString() }),
      now: new Date(),
    });
  await planAt(new Date(Date.now() + 3_600_000));
  assert.deepEqual(await look(), NOTHING);
  const { at } = await lookAround(store);
  await planAt(new Date(at.getTime() + LOOK_AHEAD_MS - 100));
  assert.deepEqual(await look(), { ...NOTHING, hasWork: true });
});

test("a look tells of runs that are open", async () => {
  await queueRun(store, await newNamespace());
  assert.deepEqual(await look(), { ...NOTHING, hasWork: true });
});

test("a look tells of workers that are called while their leases stand, and of no idle ones", async () => {
  await tellBusy(0, 60_000);
  await tellBusy(3, -1_000);
  assert.deepEqual(await look(), NOTHING);
  await tellBusy(1, 60_000);
  assert.deepEqual(await look(), { ...NOTHING, hasCalls: true });
});

test("a look tells of shares of slots, and of what an application has enqueued", async () => {
  const namespaceId = await newNamespace();
  await store.pool.query(`UPDATE namespaces SET limits = '{"slotsShare":50}' WHERE id = $1`, [namespaceId]);
  await store.pool.query(
    "INSERT INTO enqueued_tasks (task_id, namespace_id, action, enqueued_by) VALUES ($1, $2, 'cancel', 'somebody')",
    [newId(), namespaceId],
  );
  assert.deepEqual(await look(), { ...NOTHING, hasShares: true, hasEnqueued: true });
});

test("planned while there was no task, looks do not walk all active ones later", async () => {
  const texts: string[] = [];
  const pool = {
    async query({ text }: { text: string }) {
      texts.push(text);
      return { rows: [{}] };
    },
  };
  const heard = { ...store, pool: pool as unknown as typeof store.pool };
  await lookAround(heard);
  await glanceAtDemand(heard, 1_000);
  const used = [];
  for (const text of texts) {
    const { rows } = await store.pool.query(`EXPLAIN (COSTS off) ${text}`);
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    used.push(new Set(Array.from(plan.matchAll(/(?:using|on) (tasks_\w+)/g), ([, index]) => index)));
    // One entry is read, and none past the bound: there those that were cancelled stand until vacuum comes.
    assert.match(
      plan,
      /Limit\n\s+->\s+Index \w*\s?Scan using tasks_due on tasks.*\n\s+Index Cond: .*next_run_at <=/,
    );
  }
  assert.deepEqual(used, [new Set(["tasks_seeking", "tasks_due"]), new Set(["tasks_due"])]);
});
