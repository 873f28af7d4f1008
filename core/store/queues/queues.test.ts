/** Limits of queues: of a queue, of each key in it, of `default`; pauses; and what is counted. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { functionKey, queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits, UNTIL_RESUMED } from "../../domain/queue.ts";
import { findGrantableKeys, findRatedKeys, hasRates } from "../limits/find-grantable.ts";
import { foldAllReturned } from "../limits/fold-returned.ts";
import { grantPermits } from "../limits/grant-permits.ts";
import { removeIdleKeys } from "../limits/queue-limits.ts";
import { recountPermits } from "../limits/recount-permits.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun } from "../runs/read.ts";
import { rescueLostRuns } from "../runs/rescue.ts";
import { createTask } from "../tasks/create.ts";
import { changeTask } from "../tasks/redefine.ts";
import {
  ANY_TIME,
  claimDue,
  deployFunction,
  finished,
  type GivenTask,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
} from "../testing/samples.ts";
import { openTestStore, until, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { countQueueRuns } from "./count-runs.ts";
import { endPauses, findQueue, listQueues, pauseQueue, putQueue, removeQueue } from "./queues.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(async () => {
  await clear();
  await sql`DELETE FROM run_limits`.execute(db);
  await sql`DELETE FROM queues`.execute(db);
});
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id);
const limitsOf = (given: Partial<QueueLimits>) => ({ limits: { ...NO_LIMITS, ...given } });

/** A queue with these limits in a namespace of its own. */
async function openQueue(limits: Partial<QueueLimits>, name = "mail") {
  const namespaceId = await newNamespace();
  await putQueue(store, namespaceId, name, limitsOf(limits));
  return {
    ...{ namespaceId, name, key: queueKey(namespaceId, name) },
    change: (given: Partial<QueueLimits>) => putQueue(store, namespaceId, name, limitsOf(given)),
    pause: (until: Date | number | null = UNTIL_RESUMED) => pauseQueue(store, namespaceId, name, until),
    async queueMany(count: number, given: GivenTask = {}): Promise<string[]> {
      const runIds: string[] = [];
      for (let index = 0; index < count; index += 1)
        runIds.push(await queueRun(store, namespaceId, { queue: name, ...given }));
      return runIds;
    },
    grantable: async () =>
      (await grantPermits(store, await findGrantableKeys(store, 100))).map(({ runId }) => runId),
    waitingFor: async (runId: string) => (await findRun(store, namespaceId, runId))?.waitingFor,
    counts: async () => (await countQueueRuns(store, namespaceId, [name])).get(name)!,
  };
}

const end = async (workerId: string, runs: ClaimedRun[]) =>
  await finishAttempts(
    store,
    workerId,
    runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
  );

const limitRows = async () =>
  (await sql<{ key: string }>`SELECT key FROM run_limits ORDER BY key`.execute(db)).rows.map(
    ({ key }) => key,
  );

describe("the limit of a queue", () => {
  test("holds for tasks and calls alike, of whatever function, and the others wait their turn", async () => {
    const workerId = await makeWorker(db);
    const { namespaceId, queueMany, waitingFor, grantable } = await openQueue({ concurrency: 2 });
    await deployFunction(db, namespaceId, "f");
    const [first, second] = await queueMany(2);
    const place = { queue: "mail", concurrencyKey: null, rateKey: null, priority: 50 };
    const third = await queueInvocation(store, namespaceId, "f", { place });
    const claimed = await claimRuns(store, workerId, [third, second!, first!]);
    assert.deepEqual(idsOf(claimed).sort(), [first, second]);
    assert.equal(await waitingFor(third), "concurrency");
    await end(workerId, claimed.slice(0, 1));
    assert.deepEqual(await grantable(), [third]);
    assert.deepEqual(idsOf(await claimDue(store, workerId, 10, 0)), [third]);
  });

  test("holds from the next claim on when it is changed: those that wait are granted what it has more", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany, change } = await openQueue({ concurrency: 1 });
    const runIds = await queueMany(5);
    assert.equal((await claimRuns(store, workerId, runIds)).length, 1);
    await change({ concurrency: 3 });
    assert.equal((await grantPermits(store, [key])).length, 2);
    await change({ concurrency: 2 });
    assert.deepEqual(await claimDue(store, workerId, 10, 0), [], "whoever was granted more has it no more");
    assert.equal((await grantPermits(store, [key])).length, 1);
    assert.equal((await claimDue(store, workerId, 10, 0)).length, 1);
    await change({});
    assert.equal((await grantPermits(store, [key])).length, 3);
    assert.deepEqual(await limitRows(), []);
  });

  test("is set while runs are queued and under way: they count, and obey", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, change } = await openQueue({});
    const runIds = await queueMany(4);
    assert.equal((await claimRuns(store, workerId, runIds.slice(0, 2))).length, 2);
    await change({ concurrency: 3 });
    assert.equal((await claimRuns(store, workerId, runIds)).length, 1);
  });

  test("is that of one namespace", async () => {
    const workerId = await makeWorker(db);
    const [one, other] = [await openQueue({ concurrency: 1 }), await openQueue({ concurrency: 1 })];
    const runIds = [...(await one.queueMany(2)), ...(await other.queueMany(2))];
    assert.equal((await claimRuns(store, workerId, runIds)).length, 2);
  });

  test("is exact over workers that meet, and a lost worker's permits are free after the rescue", async () => {
    const { queueMany, grantable } = await openQueue({ concurrency: 5 });
    const runIds = await queueMany(20);
    const workers = await Promise.all(Array.from({ length: 6 }, () => makeWorker(db)));
    const claims = workers.map((workerId, index) =>
      index % 2 === 0 ? claimRuns(store, workerId, runIds) : claimDue(store, workerId, 20, 0),
    );
    assert.equal((await Promise.all(claims)).flat().length, 5);
    await sql`UPDATE workers SET lease_until = now() - interval '1 minute'`.execute(db);
    await rescueLostRuns(store, new Date(), ANY_TIME, 100);
    assert.equal((await grantable()).length, 5);
  });
});

describe("the queue default", () => {
  test("limits runs that name no queue, also those that were queued before it had limits", async () => {
    const workerId = await makeWorker(db);
    const namespaceId = await newNamespace();
    await deployFunction(db, namespaceId, "f");
    const runIds = [await queueRun(store, namespaceId), await queueInvocation(store, namespaceId, "f")];
    runIds.push(await queueRun(store, namespaceId, { concurrencyKey: "ada" }));
    assert.equal((await claimRuns(store, workerId, runIds.slice(0, 1))).length, 1);
    await putQueue(store, namespaceId, "default", limitsOf({ concurrency: 2 }));
    assert.deepEqual(idsOf(await claimRuns(store, workerId, runIds)), [runIds[1]]);
    const elsewhere = await queueRun(store, await newNamespace());
    assert.equal((await claimRuns(store, workerId, [elsewhere])).length, 1);
    await putQueue(store, namespaceId, "default", limitsOf({}));
    assert.equal((await grantPermits(store, [queueKey(namespaceId, "default")])).length, 1);
    assert.equal((await claimDue(store, workerId, 10, 0)).length, 1);
  });

  test("is there before it has limits, and stays", async () => {
    const namespaceId = await newNamespace();
    const standing = { name: "default", limits: NO_LIMITS, pausedUntil: null };
    assert.deepEqual(await listQueues(store, namespaceId), [standing]);
    assert.deepEqual(await findQueue(store, namespaceId, "default"), standing);
    await assert.rejects(removeQueue(store, namespaceId, "default"), { code: "queue_in_use" });
  });
});

describe("a limit per key", () => {
  test("holds for each key apart, within that of the queue", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, waitingFor, grantable } = await openQueue({
      concurrency: 3,
      perKey: { concurrency: 1, rate: null },
    });
    const ada = await queueMany(3, { concurrencyKey: "ada" });
    const bob = await queueMany(2, { concurrencyKey: "bob/ada" });
    const [none, noneToo] = await queueMany(2);
    const all = [...ada, ...bob, none!, noneToo!];
    const claimed = await claimRuns(store, workerId, all);
    assert.deepEqual(idsOf(claimed).sort(), [ada[0], bob[0], none].sort());
    assert.equal(await waitingFor(ada[1]!), "concurrency");
    await end(
      workerId,
      claimed.filter(({ id }) => id === ada[0]),
    );
    assert.deepEqual(await grantable(), [ada[1]], "the oldest that may");
  });

  test("is exact over workers that meet with keys that nobody has seen", async () => {
    const { queueMany } = await openQueue({ perKey: { concurrency: 1, rate: null } });
    const keys = Array.from({ length: 8 }, (_, index) => `customer-${index}`);
    const runIds = (
      await Promise.all([...keys, ...keys].map((concurrencyKey) => queueMany(2, { concurrencyKey })))
    ).flat();
    const workers = await Promise.all(Array.from({ length: 6 }, () => makeWorker(db)));
    const claimed = (
      await Promise.all(
        workers.flatMap((workerId) => [claimRuns(store, workerId, runIds), claimDue(store, workerId, 10, 0)]),
      )
    ).flat();
    assert.equal(claimed.length, keys.length);
  });

  test("leaves no row behind of a key that no run holds or waits for", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany } = await openQueue({ perKey: { concurrency: 1, rate: null } });
    const [run] = await claimRuns(store, workerId, await queueMany(1, { concurrencyKey: "ada" }));
    assert.equal(await removeIdleKeys(store, 100), 0);
    assert.deepEqual(await limitRows(), [key, `${key}/ada`]);
    await end(workerId, [run!]);
    assert.equal(await removeIdleKeys(store, 100), 1);
    assert.deepEqual(await limitRows(), [key]);
    assert.equal((await claimRuns(store, workerId, await queueMany(2, { concurrencyKey: "ada" }))).length, 1);
  });

  test("is changed, and taken away, for the keys that runs hold and wait for", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, change, grantable } = await openQueue({});
    const runIds = await queueMany(5, { concurrencyKey: "ada" });
    await claimRuns(store, workerId, runIds.slice(0, 1));
    await change({ perKey: { concurrency: 1, rate: null } });
    assert.deepEqual(await claimRuns(store, workerId, runIds), [], "the first one counts");
    await change({ perKey: { concurrency: 2, rate: null } });
    assert.equal((await grantable()).length, 1);
    await change({});
    assert.equal((await grantable()).length, 4);
    assert.deepEqual(await limitRows(), []);
    assert.equal((await claimDue(store, workerId, 10, 0)).length, 4);
  });
});

test("the permit of a queue is for the first in its line who may have it, however many keys ahead of it are full", async () => {
  const workerId = await makeWorker(db);
  const { key, queueMany } = await openQueue({ concurrency: 2, perKey: { concurrency: 1, rate: null } });
  const runIds = await queueMany(1);
  runIds.push(...(await queueMany(41, { concurrencyKey: "ada" })), ...(await queueMany(1)));
  const [keyless] = await claimRuns(store, workerId, runIds);
  await end(workerId, [keyless!]);
  assert.deepEqual(
    (await grantPermits(store, [key])).map(({ runId }) => runId),
    runIds.slice(-1),
  );
});

describe("a limit that is new", () => {
  /** Claims that have begun wait, before they write, for as long as `work` takes. */
  async function whileClaimsWait(work: () => Promise<void>): Promise<void> {
    await sql`CREATE OR REPLACE FUNCTION await_test() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END $$`.execute(db);
    await sql`CREATE TRIGGER await_test BEFORE UPDATE ON task_runs_open FOR EACH ROW
      WHEN (NEW.state = 'running') EXECUTE FUNCTION await_test()`.execute(db);
    const holder = await store.pool.connect();
    try {
      await holder.query("BEGIN; SELECT pg_advisory_xact_lock(42)");
      await work();
    } finally {
      await holder.query("ROLLBACK");
      holder.release();
      await sql`DROP TRIGGER await_test ON task_runs_open`.execute(db);
    }
  }

  test("counts the runs of claims that began before it, and is answered after them", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, change } = await openQueue({});
    const runIds = await queueMany(3);
    let claiming: ReturnType<typeof claimRuns>;
    let changing: ReturnType<typeof change>;
    await whileClaimsWait(async () => {
      claiming = claimRuns(store, workerId, runIds.slice(0, 1));
      await untilBlocked(store);
      changing = change({ concurrency: 1, perKey: { concurrency: 1, rate: null } });
      await until(async () => (await limitRows()).length > 0 || undefined);
      assert.deepEqual(await claimRuns(store, workerId, runIds.slice(1, 2)), [], "it is not counted yet");
    });
    assert.equal((await claiming!).length, 1);
    const { freedKeys } = await changing!;
    assert.deepEqual(await grantPermits(store, freedKeys), []);
    assert.deepEqual(await claimRuns(store, workerId, runIds.slice(2)), []);
  });

  test("takes back permits of other limits from runs that have not started", async () => {
    const workerId = await makeWorker(db);
    const namespaceId = await newNamespace();
    const key = functionKey(await deployFunction(db, namespaceId, "f", { concurrency: 1 }));
    const first = await queueInvocation(store, namespaceId, "f");
    const second = await queueInvocation(store, namespaceId, "f");
    await end(workerId, await claimRuns(store, workerId, [first, second]));
    assert.equal((await grantPermits(store, [key])).length, 1);
    await pauseQueue(store, namespaceId, "default", UNTIL_RESUMED);
    assert.deepEqual(await claimRuns(store, workerId, [second]), []);
    assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
  });
});

describe("a paused queue", () => {
  test("is paused by its own row: none of its keys is written", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany, pause } = await openQueue({ perKey: { concurrency: 1, rate: null } });
    await claimRuns(store, workerId, await queueMany(1, { concurrencyKey: "ada" }));
    const version = async () =>
      (await sql`SELECT xmin::text, ctid::text FROM run_limits WHERE key = ${`${key}/ada`}`.execute(db)).rows;
    const before = await version();
    await pause();
    await pause(null);
    assert.deepEqual(await version(), before);
  });

  test("holds the lock of no other while its pause ends", async () => {
    const queues = [await openQueue({ concurrency: 1 }), await openQueue({ concurrency: 1 })];
    for (const { pause } of queues) await pause(new Date(Date.now() + 3_600_000));
    await sql`UPDATE queues SET paused_until = now() - interval '1 second'`.execute(db);
    const keys = queues.map(({ key }) => key);
    let ending: Promise<string[]>;
    await db.transaction().execute(async (tx) => {
      await sql`SELECT FROM run_limits WHERE key = ANY(${keys}) FOR UPDATE`.execute(tx);
      ending = endPauses(store, 10);
      await untilBlocked(store);
      const { rows } = await sql<{ name: string }>`
        SELECT name FROM queues ORDER BY name FOR UPDATE SKIP LOCKED`.execute(tx);
      assert.equal(rows.length, 1, "the other one is not taken yet");
    });
    assert.deepEqual((await ending!).sort(), keys.sort());
  });

  test("starts none, says so, and goes on where it was when it is resumed", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany, pause, waitingFor } = await openQueue({ concurrency: 2 });
    const runIds = await queueMany(3);
    await pause();
    assert.deepEqual(await claimRuns(store, workerId, runIds), []);
    assert.equal(await waitingFor(runIds[0]!), "paused");
    assert.deepEqual(await findGrantableKeys(store, 10), []);
    assert.deepEqual(await grantPermits(store, [key]), []);
    await pause(null);
    assert.equal((await grantPermits(store, [key])).length, 2);
    assert.equal(await waitingFor(runIds[2]!), "concurrency");
    assert.equal((await claimDue(store, workerId, 10, 0)).length, 2);
  });

  test("takes back the permits of those that were about to start, also those of other limits", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany, pause } = await openQueue({ perKey: { concurrency: 1, rate: null } });
    const [first, second] = await queueMany(2, { concurrencyKey: "ada" });
    const claimed = await claimRuns(store, workerId, [first!, second!]);
    await end(workerId, claimed);
    assert.equal((await grantPermits(store, [`${key}/ada`])).length, 1);
    await pause();
    assert.deepEqual(await claimRuns(store, workerId, [second!]), []);
    assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
    await pause(null);
    assert.equal((await grantPermits(store, [key])).length, 1);
  });

  test("is paused with the limits of who changed them meanwhile; one that was deleted stays so", async () => {
    const { namespaceId, name, pause } = await openQueue({ concurrency: 50 });
    let pausing: ReturnType<typeof pause>;
    await db.transaction().execute(async (tx) => {
      await sql`UPDATE queues SET limits = '{"concurrency":1}' WHERE namespace_id = ${namespaceId}`.execute(
        tx,
      );
      pausing = pause();
      await untilBlocked(store);
    });
    assert.equal((await pausing!)?.queue.limits.concurrency, 1);
    await db.transaction().execute(async (tx) => {
      await sql`DELETE FROM queues WHERE namespace_id = ${namespaceId}`.execute(tx);
      pausing = pause(null);
      await untilBlocked(store);
    });
    assert.equal(await pausing!, undefined);
    assert.equal(await findQueue(store, namespaceId, name), undefined);
  });

  test("is not answered before a run that is locked has lost its permit, too", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany, pause } = await openQueue({ concurrency: 1 });
    const [first, second] = await queueMany(2);
    await end(workerId, await claimRuns(store, workerId, [first!, second!]));
    assert.equal((await grantPermits(store, [key])).length, 1);
    let pausing: ReturnType<typeof pause>;
    await db.transaction().execute(async (tx) => {
      await sql`SELECT FROM task_runs_open WHERE id = ${second!} FOR UPDATE`.execute(tx);
      pausing = pause();
      await untilBlocked(store);
    });
    await pausing!;
    assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
  });

  test("ends its pause by itself, and needs no row then", async () => {
    const workerId = await makeWorker(db);
    const { key, name, namespaceId, queueMany, pause, grantable } = await openQueue({});
    await pause(new Date(Date.now() + 3_600_000));
    const runIds = await queueMany(2);
    assert.deepEqual(await claimRuns(store, workerId, runIds), []);
    assert.deepEqual(await endPauses(store, 10), []);
    await sql`UPDATE queues SET paused_until = now() - interval '1 second'`.execute(db);
    await sql`UPDATE run_limits SET paused_until = now() - interval '1 second' WHERE key = ${key}`.execute(
      db,
    );
    assert.equal((await findQueue(store, namespaceId, name))?.pausedUntil, null);
    assert.deepEqual(await endPauses(store, 10), [key]);
    assert.deepEqual((await grantable()).sort(), runIds.toSorted());
    assert.deepEqual(await limitRows(), []);
  });

  test("stays paused while its limits are changed, unless that says otherwise", async () => {
    const { namespaceId, name, pause, change } = await openQueue({});
    await pause();
    await change({ concurrency: 1 });
    assert.equal((await findQueue(store, namespaceId, name))?.pausedUntil, UNTIL_RESUMED);
    await putQueue(store, namespaceId, name, { ...limitsOf({}), pausedUntil: null });
    assert.equal((await findQueue(store, namespaceId, name))?.pausedUntil, null);
  });
});

describe("a rate", () => {
  /** Those that are due. */
  const ratedKeys = async () =>
    (await findRatedKeys(store, 10)).flatMap(({ key, waitMs }) => (waitMs === 0 ? [key] : []));
  /** As if so much time had passed. */
  const pass = (ms: number) =>
    sql`UPDATE run_limits SET rate_used_until_ms = rate_used_until_ms - ${ms}`.execute(db);
  /** One a minute, so that none comes back while a test lasts. */
  const rate = (limit: number, burst: number | null = null) => ({ limit, perMs: limit * 60_000, burst });

  test("lets as many start as its bucket holds, says so, and the next when one is back", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, waitingFor, grantable } = await openQueue({ rate: rate(3) });
    const runIds = await queueMany(6);
    assert.deepEqual(idsOf(await claimRuns(store, workerId, runIds)).sort(), runIds.slice(0, 3));
    assert.equal(await waitingFor(runIds[3]!), "rate");
    assert.deepEqual(await grantable(), []);
    await pass(60_000);
    assert.deepEqual(await grantable(), [runIds[3]]);
    assert.deepEqual(await grantable(), [], "it was called up");
    assert.deepEqual(idsOf(await claimDue(store, workerId, 10, 0)), [runIds[3]]);
    await pass(3_600_000);
    assert.equal((await grantable()).length, 2);
    assert.equal((await claimDue(store, workerId, 10, 0)).length, 2);
  });

  test("is not saved up while no worker comes: no more than its burst start at once", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, grantable } = await openQueue({ rate: rate(1, 2) });
    const runIds = await queueMany(12);
    assert.equal((await claimRuns(store, workerId, runIds)).length, 2);
    for (let hour = 0; hour < 4; hour += 1) {
      await pass(3_600_000);
      await grantable();
    }
    const late = await queueMany(2);
    assert.deepEqual(
      idsOf(await claimRuns(store, workerId, late)),
      runIds.slice(2, 4),
      "who waits comes first",
    );
    assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
    assert.deepEqual(await findGrantableKeys(store, 10), []);
  });

  test("and runs at once both hold; a start is not given back by an end", async () => {
    const workerId = await makeWorker(db);
    const { queueMany, grantable, waitingFor } = await openQueue({ concurrency: 1, rate: rate(2) });
    const runIds = await queueMany(4);
    const [first] = await claimRuns(store, workerId, runIds);
    assert.equal(await waitingFor(runIds[1]!), "concurrency");
    await end(workerId, [first!]);
    assert.equal((await grantable()).length, 1);
    const [second] = await claimDue(store, workerId, 10, 0);
    assert.equal(second?.id, runIds[1]);
    await end(workerId, [second!]);
    assert.deepEqual(await grantable(), []);
    assert.equal(await waitingFor(runIds[2]!), "rate");
  });

  test("per key is of each rate key, beside what each concurrency key may run at once", async () => {
    const workerId = await makeWorker(db);
    const { namespaceId, queueMany, grantable } = await openQueue({
      perKey: { concurrency: 2, rate: rate(1) },
    });
    const taskIds = async () =>
      (
        await sql<{ id: string }>`SELECT id FROM tasks WHERE namespace_id = ${namespaceId}`.execute(db)
      ).rows.map(({ id }) => id);
    const ada = await queueMany(2, { rateKey: "ada", concurrencyKey: "one" });
    const bob = await queueMany(2, { rateKey: "bob", concurrencyKey: "one" });
    const claimed = await claimRuns(store, workerId, [...ada, ...bob]);
    assert.deepEqual(idsOf(claimed).sort(), [ada[0], bob[0]].sort());
    await end(workerId, claimed);
    assert.deepEqual(await claimRuns(store, workerId, await queueMany(1, { rateKey: "ada" })), []);
    assert.equal(await removeIdleKeys(store, 100), 0, "what started is remembered");
    await pass(3_600_000);
    await cancelRuns(store, namespaceId, { taskIds: await taskIds() });
    await grantable();
    await foldAllReturned(store, 100);
    assert.equal(await removeIdleKeys(store, 100), 3);
  });

  test("that is changed counts the starts of the one before, as far as they fit into its burst", async () => {
    const workerId = await makeWorker(db);
    const { namespaceId, name, queueMany, grantable } = await openQueue({
      rate: { limit: 1, perMs: 3_600_000, burst: 5 },
    });
    assert.equal((await claimRuns(store, workerId, await queueMany(6))).length, 5);
    const quick = { ...NO_LIMITS, rate: { limit: 1_000, perMs: 1_000, burst: 3 } };
    await putQueue(store, namespaceId, name, { limits: quick });
    const [waiting] = await findRatedKeys(store, 10);
    assert.ok(waiting && waiting.waitMs <= 1, `${waiting?.waitMs} ms`);
    await pass(1_000);
    assert.equal((await grantable()).length, 1);
    await putQueue(store, namespaceId, name, { limits: { ...NO_LIMITS, concurrency: 100 } });
    await putQueue(store, namespaceId, name, { limits: { ...quick, concurrency: 100 } });
    assert.ok((await claimRuns(store, workerId, await queueMany(3))).length >= 2, "none of it is used");
  });

  test("is exact over workers that meet", async () => {
    const { queueMany } = await openQueue({ rate: rate(7) });
    const runIds = await queueMany(30);
    const workers = await Promise.all(Array.from({ length: 6 }, () => makeWorker(db)));
    const claims = workers.flatMap((workerId) => [
      claimRuns(store, workerId, runIds),
      claimDue(store, workerId, 5, 0),
    ]);
    assert.equal((await Promise.all(claims)).flat().length, 7);
  });

  test("that is far above the load is had in the statement that claims", async () => {
    const workerId = await makeWorker(db);
    const { queueMany } = await openQueue({ rate: rate(1_000) });
    await claimRuns(store, workerId, await queueMany(1));
    const runIds = await queueMany(20);
    assert.equal((await claimRuns(store, workerId, runIds)).length, 20);
    const { rows } = await sql<{
      ms: number;
    }>`SELECT rate_used_until_ms - extract(epoch FROM now()) * 1000 AS ms
      FROM run_limits WHERE rate_interval_ms IS NOT NULL`.execute(db);
    assert.ok(rows[0]!.ms > 20 * 60_000 && rows[0]!.ms <= 21 * 60_000, `${rows[0]!.ms} ms`);
  });

  test("wakes the scheduler at the instant at which the next may start", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany } = await openQueue({ rate: rate(1) });
    const runIds = await queueMany(3);
    await claimRuns(store, workerId, runIds);
    assert.ok(await hasRates(store));
    const [waiting] = await findRatedKeys(store, 10);
    assert.equal(waiting?.key, key);
    assert.ok(waiting.waitMs > 50_000 && waiting.waitMs <= 60_000);
    await pass(60_000);
    assert.deepEqual(await ratedKeys(), [key]);
  });

  test("is looked at no more once as many were called up as may start, until one starts or is gone", async () => {
    const workerId = await makeWorker(db);
    const { key, namespaceId, queueMany } = await openQueue({ rate: rate(2) });
    const runIds = await queueMany(6);
    assert.equal((await claimRuns(store, workerId, runIds)).length, 2);
    await pass(3_600_000);
    assert.equal((await grantPermits(store, [key])).length, 2);
    const version = async () =>
      (await sql`SELECT xmin::text, ctid::text FROM run_limits WHERE key = ${key}`.execute(db)).rows;
    const before = await version();
    assert.deepEqual(await findRatedKeys(store, 10), []);
    assert.deepEqual(await findGrantableKeys(store, 10), []);
    assert.deepEqual(await grantPermits(store, [key]), []);
    assert.deepEqual(await version(), before, "and is not written");
    assert.equal((await claimDue(store, workerId, 1, 0)).length, 1);
    assert.deepEqual(await ratedKeys(), [key]);
    assert.deepEqual(await grantPermits(store, [key]), [], "the other one that was called has what is left");
    assert.deepEqual(await findRatedKeys(store, 10), []);
    const called = await sql<{ id: string }>`
      SELECT id FROM task_runs_open WHERE waiting_for IS NULL AND state = 'queued'`.execute(db);
    await pass(3_600_000);
    assert.equal((await grantPermits(store, [key])).length, 1);
    assert.deepEqual(await findGrantableKeys(store, 10), []);
    const { rows } = await sql<{ id: string }>`
      SELECT id FROM task_runs_open WHERE waiting_for IS NULL AND state = 'queued'`.execute(db);
    assert.equal(called.rows.length + 1, rows.length);
    await cancelRuns(store, namespaceId, { runIds: idsOf(rows) });
    assert.deepEqual(await findGrantableKeys(store, 10), [key], "whoever is next is not forgotten");
    assert.equal((await grantPermits(store, [key])).length, 1);
  });

  test("has a line that is looked at again where the run that was to be called is locked", async () => {
    const workerId = await makeWorker(db);
    const { key, queueMany } = await openQueue({ rate: rate(1) });
    const runIds = await queueMany(2);
    await end(workerId, await claimRuns(store, workerId, runIds));
    await pass(3_600_000);
    await inTransaction(store.pool, async (tx) => {
      await tx.pool.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE", [runIds[1]]);
      assert.deepEqual(await grantPermits(store, [key]), []);
    });
    assert.deepEqual(await ratedKeys(), [key]);
    assert.equal((await grantPermits(store, [key])).length, 1);
  });

  test("leaves no row behind of a key whose last run was called up and is cancelled", async () => {
    const workerId = await makeWorker(db);
    const { key, namespaceId, queueMany, grantable } = await openQueue({
      perKey: { concurrency: null, rate: rate(1) },
    });
    const [first, second] = await queueMany(2, { rateKey: "ada" });
    const started = await claimRuns(store, workerId, [first!, second!]);
    await end(workerId, started);
    await pass(3_600_000);
    assert.deepEqual(await grantable(), [second]);
    assert.deepEqual(await grantable(), []);
    await cancelRuns(store, namespaceId, { runId: second! });
    assert.deepEqual(await grantable(), []);
    await foldAllReturned(store, 100);
    assert.equal(await removeIdleKeys(store, 100), 1);
    assert.deepEqual(await limitRows(), [key]);
  });

  test("of many keys at the same instant is found for all of them, so many at a time", async () => {
    const workerId = await makeWorker(db);
    const { queueMany } = await openQueue({ perKey: { concurrency: null, rate: rate(1) } });
    const names = ["ada", "bob", "eve", "joe", "kim"];
    const runIds: string[] = [];
    for (const rateKey of names) runIds.push(...(await queueMany(2, { rateKey })));
    assert.equal((await claimRuns(store, workerId, runIds)).length, names.length);
    await sql`UPDATE run_limits SET rate_used_until_ms = 0`.execute(db);
    const called: string[] = [];
    for (let looks = 0; looks < 3; looks += 1) {
      const keys = (await findRatedKeys(store, 2)).map(({ key }) => key);
      called.push(...(await grantPermits(store, keys)).map(({ runId }) => runId));
    }
    assert.equal(new Set(called).size, names.length);
    assert.deepEqual(await findRatedKeys(store, 2), []);
  });
});

test("what runs and waits is counted by what it waits for", async () => {
  const workerId = await makeWorker(db);
  const { queueMany, counts, pause, namespaceId } = await openQueue({ concurrency: 2 });
  const runIds = await queueMany(4);
  await claimRuns(store, workerId, runIds);
  const fresh = await queueMany(1);
  const of = (counts: { running: number; waiting: number; waitingFor: object }) => [
    counts.running,
    counts.waiting,
    counts.waitingFor,
  ];
  assert.deepEqual(of(await counts()), [2, 3, { concurrency: 3, rate: 0, paused: 0, slot: 0 }]);
  assert.ok((await counts()).oldestWaitingAt! < new Date());
  await pause();
  assert.deepEqual(of(await counts()), [2, 3, { concurrency: 0, rate: 0, paused: 3, slot: 0 }]);
  await queueRun(store, namespaceId);
  const byDefault = (await countQueueRuns(store, namespaceId, ["default"])).get("default")!;
  assert.deepEqual(of(byDefault), [0, 1, { concurrency: 0, rate: 0, paused: 0, slot: 1 }]);
  await cancelRuns(store, namespaceId, { runIds: [...runIds, ...fresh] });
  assert.equal((await counts()).waiting, 0);
});

test("what no claim has looked at waits for what its queue lacks, and for a slot where it lacks nothing", async () => {
  const workerId = await makeWorker(db);
  const { key, queueMany, pause, change, waitingFor, counts, grantable } = await openQueue({});
  const [first, second] = await queueMany(2);
  assert.equal(await waitingFor(second!), "slot");
  await pause();
  assert.equal(await waitingFor(second!), "paused");
  assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
  await pause(null);
  assert.equal(await waitingFor(second!), "slot", "in a line that nothing holds up");
  await change({ concurrency: 1 });
  assert.equal(await waitingFor(second!), "slot");
  await change({ concurrency: 1, rate: { limit: 1_000, perMs: 1_000, burst: null } });
  assert.deepEqual(await grantable(), [first]);
  const [run] = await claimDue(store, workerId, 10, 0);
  const [third] = await queueMany(1);
  for (const runId of [second!, third!]) assert.equal(await waitingFor(runId), "concurrency");
  await end(workerId, [run!]);
  assert.deepEqual((await counts()).waitingFor, { concurrency: 0, rate: 0, paused: 0, slot: 2 });
  await change({ rate: { limit: 1, perMs: 3_600_000, burst: null } });
  assert.equal((await grantPermits(store, [key])).length, 1);
  await claimDue(store, workerId, 1, 0);
  assert.equal(await waitingFor(third!), "rate");
});

test("no more runs are looked at than the bound", async () => {
  const { queueMany, namespaceId } = await openQueue({});
  await queueMany(3);
  for (const queue of ["mail", "default"]) {
    await queueRun(store, namespaceId);
    await queueRun(store, namespaceId);
    const counts = await countQueueRuns(store, namespaceId, [queue], 2);
    assert.equal(counts.get(queue)?.waiting, 2);
  }
  const counts = await countQueueRuns(store, namespaceId, ["default", "mail"], 4);
  assert.deepEqual([counts.get("default")?.waiting, counts.get("mail")?.waiting], [2, 2]);
});

test("a queue that tasks or open runs name is not deleted", async () => {
  const { namespaceId, name, queueMany } = await openQueue({ concurrency: 1 });
  const [runId] = await queueMany(1);
  await assert.rejects(removeQueue(store, namespaceId, name), { code: "queue_in_use" });
  await cancelRuns(store, namespaceId, { runId: runId! });
  const input = httpTask({ kind: "every", everyMs: 3_600_000 }, { queue: name });
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  await assert.rejects(removeQueue(store, namespaceId, name), { code: "queue_in_use" });
  const decide = async () => ({
    input: { ...input, policy: { ...input.policy, queue: "default" } },
    functionId: null,
    reschedules: false,
  });
  await changeTask(store, namespaceId, task.id, new Date(), decide);
  assert.equal(await removeQueue(store, namespaceId, name), true);
  assert.equal(await removeQueue(store, namespaceId, name), false);
  assert.deepEqual(await limitRows(), []);
});

test("a waiting run whose task goes to another queue leaves the line of the old one", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, queueMany, waitingFor } = await openQueue({ concurrency: 1 });
  const [, second] = await queueMany(2);
  await claimDue(store, workerId, 10, 0);
  assert.equal(await waitingFor(second!), "concurrency");
  const { taskId } = (await findRun(store, namespaceId, second!))!;
  const input = httpTask({ kind: "now" });
  await changeTask(store, namespaceId, taskId!, new Date(), async () => ({
    input,
    functionId: null,
    reschedules: false,
  }));
  assert.equal(await waitingFor(second!), "slot");
  const [claimed] = await claimDue(store, workerId, 10, 0);
  assert.equal(claimed?.id, second);
});

describe("the key of a run's queue", () => {
  const storedKeys = async (runId: string) =>
    (
      await sql<{
        keys: string[] | null;
      }>`SELECT limit_keys AS keys FROM task_runs_open WHERE id = ${runId}`.execute(db)
    ).rows[0]!.keys;

  test("stands in its row only beside keys that it names there", async () => {
    const { namespaceId, key, queueMany } = await openQueue({ concurrency: 1 });
    const [plain] = await queueMany(1);
    const [keyed] = await queueMany(1, { concurrencyKey: "a" });
    const functionId = await deployFunction(db, namespaceId, "greet");
    const call = await queueInvocation(store, namespaceId, "greet", {
      place: { queue: "mail", concurrencyKey: "a", rateKey: null, priority: 50 },
    });
    assert.equal(await storedKeys(plain!), null);
    assert.deepEqual(await storedKeys(keyed!), [key, `${key}/a`]);
    assert.deepEqual(await storedKeys(call), [functionKey(functionId), key, `${key}/a`]);
  });

  test("may stand in its row alone: a change of its task leaves it its place in the line", async () => {
    const workerId = await makeWorker(db);
    const { namespaceId, name, key, queueMany, waitingFor } = await openQueue({ concurrency: 1 });
    const [, second] = await queueMany(2);
    await sql`UPDATE task_runs_open SET limit_keys = ${[key]}`.execute(db);
    await claimDue(store, workerId, 10, 0);
    assert.equal(await waitingFor(second!), "concurrency");
    const { taskId } = (await findRun(store, namespaceId, second!))!;
    const input = { ...httpTask({ kind: "now" }, { queue: name }), name: "renamed" };
    await changeTask(store, namespaceId, taskId!, new Date(), async () => ({
      ...{ input, functionId: null, reschedules: false },
    }));
    assert.equal(await waitingFor(second!), "concurrency");
  });
});
