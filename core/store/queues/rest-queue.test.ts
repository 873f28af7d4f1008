/** A queue rests on a 429, and the run that was answered so comes first when the rest is over. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits, UNTIL_RESUMED } from "../../domain/queue.ts";
import { grantPermits } from "../limits/grant-permits.ts";
import { recountPermits } from "../limits/recount-permits.ts";
import { takeOldAge } from "../limits/rejoin-lines.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { finishAttempts } from "../runs/finish.ts";
import { queueDueRetries } from "../runs/queue-retries.ts";
import {
  claimDue,
  finished,
  type GivenTask,
  makeWorker,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { endPauses, findQueue, pauseQueue, putQueue } from "./queues.ts";
import { restQueue } from "./rest-queue.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const NAME = "mail";
const HOUR_MS = 3_600_000;

async function openQueue(limits: Partial<QueueLimits>) {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await putQueue(store, namespaceId, NAME, { limits: { ...NO_LIMITS, ...limits } });
  const key = queueKey(namespaceId, NAME);
  const queue = async (given: GivenTask = {}) =>
    await queueRun(store, namespaceId, { queue: NAME, ...given });
  return {
    ...{ namespaceId, workerId, key, queue },
    async start(given: GivenTask = {}): Promise<ClaimedRun> {
      const [run] = await claimRuns(store, workerId, [await queue(given)]);
      return run!;
    },
    /** It was answered a 429 that asks for so long, and is tried again then. */
    async rest(run: ClaimedRun, restMs: number): Promise<void> {
      await restQueue(store, run, restMs);
      await finishAttempts(store, workerId, [finished(run, workerId, retryAfter(restMs))]);
    },
    pausedUntil: async () => (await findQueue(store, namespaceId, NAME))?.pausedUntil as Date,
    /** Those that are let go once the rest is over. */
    async endRest(): Promise<string[]> {
      for (const table of ["queues", "run_limits"])
        await sql`UPDATE ${sql.table(table)} SET paused_until = clock_timestamp()
          WHERE namespace_id = ${namespaceId} AND paused_until > clock_timestamp()`.execute(db);
      assert.deepEqual(await endPauses(store, 10), [key]);
      return (await grantPermits(store, [key])).map(({ runId }) => runId);
    },
  };
}

/** As the scheduler does it, a second before their instant. */
const queueRetries = async () => await queueDueRetries(store, new Date(Date.now() + HOUR_MS + 1_000), 10);

describe("a queue that rests on a 429", () => {
  test("is paused until then, and not for a shorter time than before", async () => {
    const { namespaceId, workerId, queue, start, pausedUntil } = await openQueue({ restOn429: true });
    const run = await start();
    await restQueue(store, run, HOUR_MS);
    const first = await pausedUntil();
    assert.ok(first.getTime() > Date.now() + 3_500_000);
    await restQueue(store, run, 60_000);
    assert.deepEqual(await pausedUntil(), first);
    let until = first;
    for (let answer = 0; answer < 5; answer++) {
      await restQueue(store, run, HOUR_MS);
      const movedMs = (await pausedUntil()).getTime() - until.getTime();
      // However long a statement takes.
      assert.ok(movedMs === 0 || movedMs >= 1_000, `by ${movedMs} ms it is not moved`);
      until = await pausedUntil();
    }
    await restQueue(store, run, 2 * HOUR_MS);
    assert.ok((await pausedUntil()) > until);
    assert.deepEqual(await claimRuns(store, workerId, [await queue()]), []);
    await pauseQueue(store, namespaceId, NAME, UNTIL_RESUMED);
    await restQueue(store, run, 7_200_000);
    assert.equal(await pausedUntil(), UNTIL_RESUMED);
  });

  test("is one that says so, for a run that is under way in it", async () => {
    const other = await openQueue({ concurrency: 5 });
    await other.rest(await other.start(), HOUR_MS);
    assert.equal(await other.pausedUntil(), null);
    const { start, pausedUntil } = await openQueue({ restOn429: true });
    const run = await start();
    await restQueue(store, { ...run, claimNo: run.claimNo + 1 }, HOUR_MS);
    assert.equal(await pausedUntil(), null);
  });
});

describe("the run for whose sake a queue rested", () => {
  test("is the first to start when the rest is over, before those that wait in line", async () => {
    const { workerId, queue, start, rest, endRest } = await openQueue({ restOn429: true, concurrency: 1 });
    const run = await start();
    const waiting = [await queue(), await queue({ concurrencyKey: "ada" }), await queue()];
    assert.deepEqual(await claimRuns(store, workerId, waiting), []);
    await rest(run, HOUR_MS);
    await queueRetries();
    const last = await queue({ concurrencyKey: "bob" });
    assert.deepEqual(await claimRuns(store, workerId, [run.id, last]), []);
    assert.deepEqual(await endRest(), [run.id]);
    const [again] = await claimDue(store, workerId, 10, 0);
    assert.deepEqual([again?.id, again?.attempt], [run.id, 2]);
  });

  test("also where its own backoff outlasts the rest, from its instant on", async () => {
    const { workerId, queue, start, rest, endRest } = await openQueue({ restOn429: true });
    const run = await start();
    const waiting = [await queue(), await queue()];
    await rest(run, HOUR_MS);
    assert.deepEqual(await claimRuns(store, workerId, waiting), []);
    assert.deepEqual((await endRest()).sort(), waiting.toSorted());
    const [retry] = await queueRetries();
    assert.ok(retry!.comesFirst);
    await takeOldAge(store, [run.id]);
    const [first] = await claimDue(store, workerId, 1, 0);
    assert.ok(waiting.includes(first!.id), "no sooner than it says");
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() WHERE id = ${run.id}`.execute(db);
    await takeOldAge(store, [run.id]);
    const [next] = await claimDue(store, workerId, 1, 0);
    assert.equal(next!.id, run.id);
  });

  test("is queued all the same where it cannot be put at the head of the line", async () => {
    const { start, rest } = await openQueue({ restOn429: true });
    const run = await start();
    await rest(run, HOUR_MS);
    const pool = Object.create(store.pool, { connect: { value: () => Promise.reject(new Error("away")) } });
    const told: unknown[] = [];
    const query = store.pool.query.bind(store.pool);
    const horizon = new Date(Date.now() + HOUR_MS + 1_000);
    const queued = await queueDueRetries({ pool: Object.assign(pool, { query }) }, horizon, 10, (error) =>
      told.push(error),
    );
    assert.deepEqual([queued.map(({ runId }) => runId), told.map(String)], [[run.id], ["Error: away"]]);
  });

  test("not after it is dead and redriven: then it comes as any other does", async () => {
    const { namespaceId, workerId, start } = await openQueue({ restOn429: true });
    const run = await start();
    await restQueue(store, run, HOUR_MS);
    await finishAttempts(store, workerId, [finished(run, workerId, { state: "dead", error: SAMPLE_ERROR })]);
    assert.equal((await redriveDeadLetters(store, namespaceId, { runId: run.id })).length, 1);
    const { turn } = await db
      .selectFrom("task_runs_open")
      .select("turn")
      .where("id", "=", run.id)
      .executeTakeFirstOrThrow();
    assert.equal(turn, null);
  });

  test("also where as many run as come, and workers have few slots", async () => {
    const { workerId, queue, start, rest, endRest } = await openQueue({ restOn429: true });
    const run = await start();
    await rest(run, HOUR_MS);
    const waiting = [await queue(), await queue()];
    assert.deepEqual(await claimRuns(store, workerId, waiting), []);
    await queueRetries();
    assert.deepEqual((await endRest()).sort(), [run.id, ...waiting].sort());
    assert.deepEqual(
      (await claimDue(store, workerId, 1, 0)).map(({ id }) => id),
      [run.id],
    );
  });

  test("comes after whoever has a higher priority, and before all turns", async () => {
    const { workerId, key, queue, start, rest, endRest } = await openQueue({
      restOn429: true,
      concurrency: 1,
    });
    const run = await start();
    const [ada, urgent] = [await queue({ concurrencyKey: "ada" }), await queue({ priority: 80 })];
    assert.deepEqual(await claimRuns(store, workerId, [ada, urgent]), []);
    await rest(run, HOUR_MS);
    await queueRetries();
    assert.deepEqual(await endRest(), [urgent]);
    const [first] = await claimDue(store, workerId, 10, 0);
    await finishAttempts(store, workerId, [finished(first!, workerId, { state: "cancelled" })]);
    assert.deepEqual(
      (await grantPermits(store, [key])).map(({ runId }) => runId),
      [run.id],
    );
  });

  test("comes first where it asks while others wait, and none has been let go yet", async () => {
    const { workerId, queue, start, rest } = await openQueue({ restOn429: true, concurrency: 1 });
    const run = await start();
    const waiting = [await queue(), await queue()];
    assert.deepEqual(await claimRuns(store, workerId, waiting), []);
    await rest(run, HOUR_MS);
    await sql`UPDATE run_limits SET paused_until = NULL`.execute(db);
    await queueRetries();
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() WHERE id = ${run.id}`.execute(db);
    assert.deepEqual(
      (await claimRuns(store, workerId, [run.id])).map(({ id }) => id),
      [run.id],
    );
  });

  test("is one of many at its next retry, where that one was not answered so", async () => {
    const { workerId, queue, start, rest, endRest } = await openQueue({ restOn429: true, concurrency: 1 });
    const run = await start();
    const waiting = await queue();
    assert.deepEqual(await claimRuns(store, workerId, [waiting]), []);
    await rest(run, HOUR_MS);
    await queueRetries();
    assert.deepEqual(await endRest(), [run.id]);
    const [again] = await claimDue(store, workerId, 10, 0);
    await finishAttempts(store, workerId, [finished(again!, workerId, retryAfter(0))]);
    await queueRetries();
    assert.deepEqual(
      (await claimRuns(store, workerId, [run.id])).map(({ id }) => id),
      [waiting],
    );
  });
});
