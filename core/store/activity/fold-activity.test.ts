import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import type pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import { divideSpan } from "../../domain/activity.ts";
import { expired } from "../../domain/run-time-limits.ts";
import { cancelRuns, discardDeadLetter } from "../runs/cancel.ts";
import type { ClaimedRun } from "../runs/claim.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { finishAttempts } from "../runs/finish.ts";
import { claim, finished, makeWorker, queueRun, startRun } from "../testing/samples.ts";
import { openTestStore, untilEventsSettled } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { foldActivity, removeOldActivity } from "./fold-activity.ts";
import { readActivity } from "./read-activity.ts";
import { sampleActivity } from "./sample-activity.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const workerId = await makeWorker(db);
let namespaceId: string;
beforeEach(async () => {
  namespaceId = await newNamespace();
});

const finish = (run: ClaimedRun, verdict: Parameters<typeof finished>[2]) =>
  finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
const start = () => startRun(store, namespaceId, workerId);
const error = { code: "http_status", message: "answered 500" };

async function fold(): Promise<void> {
  await untilEventsSettled(store);
  await foldActivity(store, new Date());
}

/** Of two minutes, since the first may end meanwhile. */
async function readSums(withWorkers = false) {
  const span = divideSpan(new Date(), 120_000);
  const slices = await readActivity(store, namespaceId, span, withWorkers);
  const sum = (of: "succeeded" | "failed" | "other" | "started") =>
    slices.reduce((total, slice) => total + slice[of], 0);
  const most = (of: "waiting" | "running" | "latestMs") => Math.max(...slices.map((slice) => slice[of]));
  return {
    ends: [sum("succeeded"), sum("failed"), sum("other")],
    started: sum("started"),
    latestMs: most("latestMs"),
    open: [most("waiting"), most("running")],
    workers: slices.flatMap(({ workers }) => workers ?? []),
  };
}

test("each end counts once, by its outcome", async () => {
  await finish(await start(), { state: "succeeded", result: null });
  await finish(await start(), { state: "failed", error });
  await finish(await start(), { state: "expired", error: expired(1) });
  await finish(await start(), { state: "cancelled" });
  const dead = await start();
  await finish(dead, { state: "dead", error });
  const queued = await queueRun(store, namespaceId);
  await cancelRuns(store, namespaceId, { runId: queued });
  await fold();
  assert.deepEqual((await readSums()).ends, [1, 3, 2]);
  await discardDeadLetter(store, namespaceId, dead.id);
  await fold();
  await fold();
  assert.deepEqual((await readSums()).ends, [1, 3, 2]);
});

test("runs that began are counted with how late they were", async () => {
  const run = await start();
  await db
    .updateTable("task_runs_open")
    .set({ scheduled_for: new Date(run.startedAt.getTime() - 90_000) })
    .where("id", "=", run.id)
    .execute();
  await finish(run, { state: "succeeded", result: null });
  await fold();
  const { started, latestMs } = await readSums();
  assert.deepEqual([started, Math.round(latestMs / 1_000)], [1, 90]);
});

test("the first attempt after a redrive is as late as the redrive's own", async () => {
  const dead = await start();
  await db
    .updateTable("task_runs_open")
    .set({ scheduled_for: new Date(dead.startedAt.getTime() - 90_000) })
    .where("id", "=", dead.id)
    .execute();
  await finish(dead, { state: "dead", error });
  await redriveDeadLetters(store, namespaceId, { runId: dead.id });
  await finish(await claim(store, workerId, dead.id), { state: "succeeded", result: null });
  await fold();
  const { started, latestMs } = await readSums();
  assert.equal(started, 1);
  assert.ok(latestMs < 90_000, `${latestMs} ms`);
});

test("a stop is heard between transactions", async () => {
  await fold();
  await finish(await start(), { state: "succeeded", result: null });
  await untilEventsSettled(store);
  // So far behind that it takes several transactions.
  await store.pool.query("UPDATE activity_folds SET below_xid = below_xid - 120000");
  const readBelow = async () =>
    Number((await store.pool.query("SELECT below_xid FROM activity_folds")).rows[0].below_xid);
  const before = await readBelow();
  const stop = new AbortController();
  await foldActivity({ ...store, pool: tellingOf("UPDATE activity_folds", () => stop.abort()) }, new Date(), {
    stopping: stop.signal,
  });
  assert.equal(await readBelow(), before + 50_000, "one is done, no other is begun");
  assert.deepEqual((await readSums()).ends, [0, 0, 0]);
  await fold();
  assert.deepEqual((await readSums()).ends, [1, 0, 0]);
});

/** The store's pool, each connection of which tells of a statement once it is done. */
function tellingOf(statement: string, told: () => void): pg.Pool {
  const telling = (client: pg.PoolClient): pg.PoolClient =>
    Object.create(client, {
      query: {
        value: async (text: string, values?: unknown[]) => {
          const answer = await client.query(text, values);
          if (text.startsWith(statement)) told();
          return answer;
        },
      },
    });
  return Object.create(store.pool, { connect: { value: async () => telling(await store.pool.connect()) } });
}

test("what ends in a transaction that commits late is counted all the same", async () => {
  const [early, late] = [await start(), await start()];
  await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT pg_current_xact_id()");
    await finish(early, { state: "succeeded", result: null });
    await foldActivity(store, new Date());
    assert.deepEqual((await readSums()).ends, [0, 0, 0]);
  });
  await finish(late, { state: "succeeded", result: null });
  await fold();
  assert.deepEqual((await readSums()).ends, [2, 0, 0]);
});

test("what waits and runs is sampled, and workers for who may see them", async () => {
  await start();
  await queueRun(store, namespaceId);
  await queueRun(store, namespaceId);
  await fold();
  assert.deepEqual((await readSums()).open, [2, 1]);
  assert.deepEqual((await readSums()).workers, []);
  const [workers] = (await readSums(true)).workers;
  assert.ok(workers!.workers >= 1 && workers!.slots >= workers!.busy);
});

test("runs that wait for a limit or an earlier run are sampled, and what is not due hides none", async () => {
  const [, limited, held, ...later] = await Promise.all(
    Array.from({ length: 8 }, () => queueRun(store, namespaceId)),
  );
  await sql`INSERT INTO run_limits (key, namespace_id, has_waiting) VALUES (${namespaceId}, ${namespaceId}, true)`.execute(
    db,
  );
  const wait = (id: string, waitingFor: string) =>
    sql`UPDATE task_runs_open SET waiting_for = ${waitingFor}, waiting_key = ${namespaceId}, room = 'awaited'
      WHERE id = ${id}`.execute(db);
  await wait(limited!, "concurrency");
  await wait(held!, "overlap");
  await sql`UPDATE task_runs_open SET available_at = now() + interval '1 hour', priority = 90
    WHERE id = ANY(${later}::uuid[])`.execute(db);
  await sampleActivity(store, { ofNamespace: 3, inAll: 3 });
  assert.deepEqual((await readSums()).open, [3, 0]);
  await queueRun(store, namespaceId);
  await sampleActivity(store, { ofNamespace: 3, inAll: 100 });
  assert.deepEqual((await readSums()).open, [3, 0]);
});

test("a namespace with many limits that wait leaves the others their shares", async () => {
  await sql`DELETE FROM run_limits`.execute(db);
  const [many, one] = [namespaceId, await newNamespace()];
  const wait = async (owner: string, key: string) => {
    const runId = await queueRun(store, owner);
    await sql`INSERT INTO run_limits (key, namespace_id, has_waiting) VALUES (${key}, ${owner}, true)
      ON CONFLICT DO NOTHING`.execute(db);
    await sql`UPDATE task_runs_open SET waiting_for = 'concurrency', waiting_key = ${key}, room = 'awaited'
      WHERE id = ${runId}`.execute(db);
  };
  for (let index = 0; index < 6; index += 1) await wait(many, `a/${index}`);
  for (let index = 0; index < 4; index += 1) await wait(one, "b");
  await sampleActivity(store, { ofNamespace: 100, inAll: 8 });
  const waitingOf = async (owner: string) =>
    (
      await store.pool.query("SELECT max(waiting) AS most FROM activity_minutes WHERE namespace_id = $1", [
        owner,
      ])
    ).rows[0].most;
  assert.deepEqual([await waitingOf(many), await waitingOf(one)], [4, 4]);
});

test("nobody counts or samples where another scheduler has a moment ago", async () => {
  await fold();
  await finish(await start(), { state: "succeeded", result: null });
  await untilEventsSettled(store);
  await foldActivity(store, new Date(), { notWithinMs: 86_400_000 });
  assert.deepEqual((await readSums()).ends, [0, 0, 0]);
  await fold();
  assert.deepEqual((await readSums()).ends, [1, 0, 0]);
});

test("what is older than a day goes", async () => {
  await queueRun(store, namespaceId);
  await fold();
  await removeOldActivity(store, new Date());
  assert.equal((await readSums()).open[0], 1);
  await removeOldActivity(store, new Date(Date.now() + 2 * 86_400_000));
  assert.equal((await readSums()).open[0], 0);
});
