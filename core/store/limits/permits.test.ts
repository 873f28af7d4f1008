/** Permits of limits by key: exact over any number of workers, returned by every end, and counted anew where they are not. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import type pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import { functionKey } from "../../domain/limit-keys.ts";
import type { Store } from "../database.ts";
import { newId } from "../ids.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { type ClaimedRun, claimDueRuns, claimRuns } from "../runs/claim.ts";
import { type DirectRun, reserveDirectRun } from "../runs/direct.ts";
import { finishAttempts, releaseRuns } from "../runs/finish.ts";
import { endLostCall } from "../runs/lost-call.ts";
import { rescueLostRuns } from "../runs/rescue.ts";
import {
  ANY_TIME,
  deployFunction,
  finished,
  makeWorker,
  queueInvocation,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
  wantedKeysOf,
} from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { admitRuns } from "./admit-runs.ts";
import { adoptWaiting } from "./adopt-waiting.ts";
import { findGrantableKeys } from "./find-grantable.ts";
import { foldAllReturned } from "./fold-returned.ts";
import { GRANT_BATCH, grantPermits } from "./grant-permits.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id);
const succeeded = (run: ClaimedRun, workerId: string) =>
  finished(run, workerId, { state: "succeeded", result: null });
const makeWorkers = (count: number) => Promise.all(Array.from({ length: count }, () => makeWorker(db)));

/** A key that no function has, with a limit. */
async function makeLimit(namespaceId: string, concurrency: number): Promise<string> {
  const key = `queue:${newId()}`;
  await sql`INSERT INTO run_limits (key, namespace_id, concurrency) VALUES (${key}, ${namespaceId}, ${concurrency})`.execute(
    db,
  );
  return key;
}

const setKeys = (runIds: string[], keys: string[]) =>
  sql`UPDATE task_runs_open SET limit_keys = ${keys} WHERE id = ANY(${runIds})`.execute(db);

/** With those that were given back and are still counted. */
async function permitsCounted(key: string): Promise<number> {
  const { rows } = await sql<{
    held: number;
  }>`SELECT permits_held AS held FROM run_limits WHERE key = ${key}`.execute(db);
  return rows[0]!.held;
}

const permitsHeld = async (key: string) => (await permitsCounted(key)) - (await permitsReturned(key));

async function waitingFor(runId: string): Promise<string | null> {
  const { rows } = await sql<{ key: string | null }>`
    SELECT CASE WHEN waiting_for IS NOT NULL THEN waiting_key END AS key FROM task_runs_open WHERE id = ${runId}`.execute(
    db,
  );
  return rows[0]!.key;
}

async function permitsReturned(key: string): Promise<number> {
  const { rows } = await sql<{
    count: number;
  }>`SELECT coalesce(sum(count), 0)::int AS count FROM returned_permits WHERE key = ${key}`.execute(db);
  return rows[0]!.count;
}

const directRun = (namespaceId: string, functionId: string): DirectRun => ({
  ...{ id: newId(), namespaceId, functionId, revisionId: newId(), trigger: "invoke" },
  ...{ input: null, timeoutMs: 1_000, ageMs: 0 },
});

const queueMany = async (count: number, queue: () => Promise<string>) => {
  const runIds: string[] = [];
  for (let index = 0; index < count; index += 1) runIds.push(await queue());
  return runIds;
};

test("workers that claim, finish and grant at once never run more than the limits allow, and run all", async () => {
  const namespaceId = await newNamespace();
  const limits = new Map<string, number>();
  const all: string[] = [];
  for (const concurrency of [1, 2, 5]) {
    const name = `f${concurrency}`;
    limits.set(functionKey(await deployFunction(db, namespaceId, name, { concurrency })), concurrency);
    all.push(...(await queueMany(20, () => queueInvocation(store, namespaceId, name))));
  }
  all.push(...(await queueMany(10, () => queueRun(store, namespaceId))));
  /** Of the functions, those of which more runs are under way than may be, in one snapshot. */
  const findExcess = async () => {
    const { rows } = await sql<{ key: string; count: number }>`
      SELECT 'function:' || function_id AS key, count(*)::int AS count FROM task_runs_open
      WHERE state = 'running' AND function_id IS NOT NULL GROUP BY function_id`.execute(db);
    return rows.filter(({ key, count }) => count > limits.get(key)!);
  };
  const ended = new Set<string>();
  await Promise.all(
    (await makeWorkers(6)).map(async (workerId, index) => {
      while (ended.size < all.length) {
        const claimed =
          index % 2 === 0
            ? await claimRuns(store, workerId, all)
            : (await claimDueRuns(store, workerId, 7, 0)).runs;
        assert.deepEqual(await findExcess(), []);
        const report = await finishAttempts(
          store,
          workerId,
          claimed.map((run) => succeeded(run, workerId)),
        );
        for (const { runId } of report.recorded) ended.add(runId);
        await grantPermits(store, wantedKeysOf(report.ended));
      }
    }),
  );
  for (const key of limits.keys()) assert.equal(await permitsHeld(key), 0);
  assert.deepEqual(await findGrantableKeys(store, 10), []);
});

test("runs whose keys cross in every order are claimed and finished without a deadlock", async () => {
  const namespaceId = await newNamespace();
  const keys = await Promise.all([3, 3, 100].map((concurrency) => makeLimit(namespaceId, concurrency)));
  const pairs = [
    [0, 1],
    [1, 0],
    [2, 0],
    [1, 2],
    [2, 1, 0],
  ].map((pair) => pair.map((index) => keys[index]!));
  const all: string[] = [];
  for (const pair of pairs) {
    const runIds = await queueMany(12, () => queueRun(store, namespaceId));
    await setKeys(runIds, pair);
    all.push(...runIds);
  }
  const ended = new Set<string>();
  await Promise.all(
    (await makeWorkers(5)).map(async (workerId, index) => {
      while (ended.size < all.length) {
        const mine = all.filter((_, at) => at % 3 === index % 3 || at % 2 === 0);
        const claimed = await claimRuns(store, workerId, index % 2 === 0 ? mine : mine.toReversed());
        const ends = claimed.map((run, at) =>
          at % 2 === 0
            ? succeeded(run, workerId)
            : finished(run, workerId, { state: "dead", error: SAMPLE_ERROR }),
        );
        const report = await finishAttempts(store, workerId, ends);
        for (const { runId } of report.recorded) ended.add(runId);
        await grantPermits(store, await findGrantableKeys(store, 10));
      }
    }),
  );
  for (const key of keys) assert.equal(await permitsHeld(key), 0);
});

describe("a run with two keys", () => {
  async function openTwo() {
    const namespaceId = await newNamespace();
    const workerId = await makeWorker(db);
    const [one, other] = [await makeLimit(namespaceId, 1), await makeLimit(namespaceId, 1)];
    const queueWith = async (...keys: string[]) => {
      const runId = await queueRun(store, namespaceId);
      await setKeys([runId], keys);
      return runId;
    };
    const end = async (run: ClaimedRun) =>
      wantedKeysOf((await finishAttempts(store, workerId, [succeeded(run, workerId)])).ended);
    return { workerId, one, other, queueWith, end };
  }

  test("starts only when both have a permit, and waits for the one that has none", async () => {
    const { workerId, one, other, queueWith, end } = await openTwo();
    const [first, both] = [await queueWith(one), await queueWith(one, other)];
    const claimed = await claimRuns(store, workerId, [first, both]);
    assert.deepEqual(idsOf(claimed), [first]);
    assert.equal(await waitingFor(both), one);
    assert.equal(await permitsHeld(other), 0, "it holds nothing while it waits");
    const [late] = await claimRuns(store, workerId, [await queueWith(other)]);
    assert.ok(late, "who needs only the other key passes it");
    assert.deepEqual(await end(claimed[0]!), [one]);
    assert.deepEqual(await grantPermits(store, [one]), [], "the other key has no permit");
    assert.equal(await waitingFor(both), other, "it stands in that one's line now");
    assert.deepEqual(await end(late), [other]);
    assert.deepEqual(
      (await grantPermits(store, [other])).map(({ runId }) => runId),
      [both],
    );
    assert.deepEqual([await permitsHeld(one), await permitsHeld(other)], [1, 1]);
    assert.deepEqual(idsOf(await claimRuns(store, workerId, [both])), [both]);
  });

  test("takes a permit of each where both have one, and gives both back", async () => {
    const { workerId, one, other, queueWith, end } = await openTwo();
    const [run] = await claimRuns(store, workerId, [await queueWith(one, other)]);
    assert.deepEqual([await permitsHeld(one), await permitsHeld(other)], [1, 1]);
    assert.deepEqual(await end(run!), [], "nobody waits");
    assert.deepEqual([await permitsHeld(one), await permitsHeld(other)], [0, 0]);
  });
});

describe("permits come back, and the next run gets them", () => {
  /** A function with one permit, which a run of this worker holds, and one that waits for it. */
  async function openFull() {
    const namespaceId = await newNamespace();
    const functionId = await deployFunction(db, namespaceId, "f", { concurrency: 1 });
    const key = functionKey(functionId);
    const workerId = await makeWorker(db);
    const runId = await queueInvocation(store, namespaceId, "f");
    const [run] = await claimRuns(store, workerId, [runId]);
    const next = await queueInvocation(store, namespaceId, "f");
    await claimRuns(store, workerId, [next]);
    assert.equal(await waitingFor(next), key);
    return { namespaceId, functionId, key, workerId, run: run!, next };
  }

  async function assertNext(key: string, next: string): Promise<void> {
    assert.equal(await permitsHeld(key), 0);
    const granted = await grantPermits(store, await findGrantableKeys(store, 10));
    assert.deepEqual(
      granted.map(({ runId }) => runId),
      [next],
    );
    assert.equal(await permitsHeld(key), 1, "the one that was granted holds it");
  }

  for (const verdict of [
    { state: "succeeded", result: 1 },
    { state: "failed", error: SAMPLE_ERROR },
    { state: "cancelled" },
    { state: "dead", error: SAMPLE_ERROR },
    retryAfter(60_000),
  ] as const)
    test(`of a run that ends as ${verdict.state}`, async () => {
      const { key, workerId, run, next } = await openFull();
      const report = await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
      assert.deepEqual(wantedKeysOf(report.ended), [key]);
      await assertNext(key, next);
    });

  test("of a retry that was asked to stop, together with others in one batch", async () => {
    const { namespaceId, key, workerId, run, next } = await openFull();
    await cancelRuns(store, namespaceId, { runId: run.id });
    const [other] = await claimRuns(store, workerId, [await queueRun(store, namespaceId)]);
    const ends = [finished(run, workerId, retryAfter(0)), finished(other!, workerId, retryAfter(60_000))];
    assert.deepEqual(wantedKeysOf((await finishAttempts(store, workerId, ends)).ended), [key]);
    await assertNext(key, next);
  });

  test("of a lost worker's run", async () => {
    const { key, next } = await openFull();
    await sql`UPDATE workers SET lease_until = now() - interval '1 minute'`.execute(db);
    assert.equal((await rescueLostRuns(store, new Date(), ANY_TIME, 10)).length, 1);
    await assertNext(key, next);
  });

  test("of a run that is given back", async () => {
    const { key, workerId, run, next } = await openFull();
    const released = await releaseRuns(store, workerId, [run]);
    assert.deepEqual(
      released.map(({ runId, wantedKeys }) => [runId, wantedKeys]),
      [[run.id, [key]]],
    );
    await assertNext(key, next);
    assert.deepEqual(idsOf(await claimRuns(store, workerId, [run.id])), [next], "in the slot of the other");
    assert.equal(await waitingFor(run.id), key);
  });

  test("of a run that was granted its permit and is cancelled before it starts", async () => {
    const { namespaceId, key, workerId, run, next } = await openFull();
    await finishAttempts(store, workerId, [succeeded(run, workerId)]);
    await grantPermits(store, [key]);
    const { ended } = await cancelRuns(store, namespaceId, { runId: next! });
    assert.equal(ended[0]?.runId, next);
    assert.equal(await permitsHeld(key), 0);
  });

  test("of a call that its API gave up", async () => {
    const namespaceId = await newNamespace();
    const functionId = await deployFunction(db, namespaceId, "f", { concurrency: 1 });
    const [key, workerId] = [functionKey(functionId), await makeWorker(db)];
    const call = directRun(namespaceId, functionId);
    assert.equal(await reserveDirectRun(store, workerId, call), "reserved");
    const next = await queueInvocation(store, namespaceId, "f");
    assert.deepEqual(await claimRuns(store, workerId, [next]), []);
    const lost = finished(
      {
        ...{ ...call, claimNo: 1, taskId: null, attempt: 1, startedAt: new Date() },
        spec: { type: "function", function: "f", input: null },
      } as unknown as ClaimedRun,
      workerId,
      { state: "failed", error: SAMPLE_ERROR },
    );
    await endLostCall(store, workerId, {
      ...lost,
      ...{ trigger: "invoke", input: null, timeoutMs: 1_000, durationMs: 1, hasOwnClock: true as const },
    });
    await assertNext(key, next);
  });

  test("of a call that was given up while it was reserved, and nothing is written", async () => {
    const namespaceId = await newNamespace();
    const functionId = await deployFunction(db, namespaceId, "f", { concurrency: 1 });
    const call = directRun(namespaceId, functionId);
    await sql`INSERT INTO run_fences (run_id, writer) VALUES (${call.id}, NULL)`.execute(db);
    assert.equal(await reserveDirectRun(store, await makeWorker(db), call), "given_up");
    assert.equal(await permitsHeld(functionKey(functionId)), 0);
  });
});

describe("permits that come back a moment after their run ended are counted off once", () => {
  /** The scheduler counts right after the statement of this name has committed. */
  function recountAfter(name: string): Store {
    const watch = (pool: pg.Pool): pg.Pool => {
      const query = async (statement: pg.QueryConfig) => {
        const answer = await pool.query(statement);
        if (statement.name === name) await recountPermits(store);
        return answer;
      };
      return Object.create(pool, { query: { value: query } });
    };
    return { ...store, pool: watch(store.pool), plannedPool: watch(store.plannedPool) };
  }

  test("of a run whose function got a limit while it ran", async () => {
    const namespaceId = await newNamespace();
    const functionId = await deployFunction(db, namespaceId, "f");
    const [key, workerId] = [functionKey(functionId), await makeWorker(db)];
    const runIds = await queueMany(3, () => queueInvocation(store, namespaceId, "f"));
    const [run] = await claimRuns(store, workerId, runIds.slice(0, 2));
    await deployFunction(db, namespaceId, "f", { concurrency: 2 });
    assert.deepEqual(await claimRuns(store, workerId, runIds.slice(2)), []);
    const ends = [succeeded(run!, workerId)];
    const report = await finishAttempts(recountAfter("finish-terminal"), workerId, ends);
    assert.deepEqual(wantedKeysOf(report.ended), [key], "one waits");
    assert.equal(await permitsHeld(key), 1, "the other one still runs");
  });

  test("of a call that was given up while it was reserved", async () => {
    const namespaceId = await newNamespace();
    const functionId = await deployFunction(db, namespaceId, "f", { concurrency: 2 });
    const [key, workerId] = [functionKey(functionId), await makeWorker(db)];
    await claimRuns(store, workerId, [await queueInvocation(store, namespaceId, "f")]);
    const call = directRun(namespaceId, functionId);
    const api = await store.pool.connect();
    await api.query("BEGIN");
    await api.query("INSERT INTO run_fences (run_id, writer) VALUES ($1, NULL)", [call.id]);
    const reserved = reserveDirectRun(recountAfter("reserve-direct-run"), workerId, call);
    await untilBlocked(store);
    await api.query("COMMIT");
    api.release();
    assert.equal(await reserved, "given_up");
    assert.equal(await permitsHeld(key), 1, "the other one still runs");
  });
});

describe("permits of which plenty are left", () => {
  const PLENTY = 200;

  test("come back while another holds the lock of their limit, and are counted off by the next claim", async () => {
    const namespaceId = await newNamespace();
    const [workerId] = await makeWorkers(1);
    const functionId = await deployFunction(db, namespaceId, "many", { concurrency: PLENTY });
    const key = functionKey(functionId);
    const runIds = await queueMany(5, () => queueInvocation(store, namespaceId, "many"));
    const claimed = await claimRuns(store, workerId!, runIds.slice(0, 3));
    assert.equal(await permitsCounted(key), 3);
    await db.transaction().execute(async (tx) => {
      await sql`SELECT FROM run_limits WHERE key = ${key} FOR UPDATE`.execute(tx);
      await finishAttempts(
        store,
        workerId!,
        claimed.map((run) => succeeded(run, workerId!)),
      );
    });
    assert.deepEqual([await permitsCounted(key), await permitsReturned(key)], [3, 3]);
    assert.deepEqual(await recountPermits(store), [], "the two together are right");
    assert.equal((await claimRuns(store, workerId!, runIds.slice(3))).length, 2);
    assert.deepEqual([await permitsCounted(key), await permitsReturned(key)], [2, 0]);
  });

  test("are counted off before anybody waits, or is refused, for want of them", async () => {
    const namespaceId = await newNamespace();
    const [workerId] = await makeWorkers(1);
    const functionId = await deployFunction(db, namespaceId, "many", { concurrency: PLENTY });
    const key = functionKey(functionId);
    const lay = () =>
      sql`WITH laid AS (INSERT INTO returned_permits (key, count) VALUES (${key}, ${PLENTY}))
        UPDATE run_limits SET permits_held = ${PLENTY} WHERE key = ${key}`.execute(db);
    await lay();
    const runIds = await queueMany(2, () => queueInvocation(store, namespaceId, "many"));
    const [run] = await claimRuns(store, workerId!, runIds.slice(0, 1));
    assert.ok(run);
    assert.deepEqual([await permitsCounted(key), await permitsReturned(key)], [1, 0]);
    await finishAttempts(store, workerId!, [succeeded(run, workerId!)]);
    await foldAllReturned(store, 10);
    await lay();
    const call = directRun(namespaceId, functionId);
    assert.equal(await reserveDirectRun(store, workerId!, call), "reserved");
    assert.deepEqual([await permitsCounted(key), await permitsReturned(key)], [1, 0]);
    await sql`DELETE FROM task_runs_open WHERE id = ${call.id}`.execute(db);
    await lay();
    await sql`UPDATE run_limits SET has_waiting = true WHERE key = ${key}`.execute(db);
    assert.deepEqual(await findGrantableKeys(store, 10), [key]);
    await grantPermits(store, [key]);
    assert.deepEqual([await permitsCounted(key), await permitsReturned(key)], [0, 0]);
  });

  /** Holds the limit's lock while `work` begins; answers it when the lock is free again. */
  async function whileLocked<T>(key: string, work: () => Promise<T>, meanwhile = async () => {}): Promise<T> {
    let begun: Promise<T>;
    await db.transaction().execute(async (tx) => {
      await sql`SELECT FROM run_limits WHERE key = ${key} FOR UPDATE`.execute(tx);
      begun = work();
      await untilBlocked(store);
      await meanwhile();
    });
    return await begun!;
  }

  test("and that come back while a decision waits for the lock are its to give", async () => {
    const namespaceId = await newNamespace();
    const [workerId] = await makeWorkers(1);
    const functionId = await deployFunction(db, namespaceId, "many", { concurrency: 128 });
    const key = functionKey(functionId);
    const runIds = await queueMany(140, () => queueInvocation(store, namespaceId, "many"));
    const first = await claimRuns(store, workerId!, runIds.slice(0, 40));
    const asked = runIds.slice(40).map((id) => ({ id, keys: [key] }));
    const claimed = await whileLocked(
      key,
      () => admitRuns(store, { workerId: workerId!, longestMs: null }, asked),
      async () => {
        const ends = first.slice(0, 30).map((run) => succeeded(run, workerId!));
        await finishAttempts(store, workerId!, ends);
      },
    );
    assert.equal(claimed.length, 100);
    assert.equal(await permitsHeld(key), 110);
  });

  test("refuse no call that another has counted them off for", async () => {
    const namespaceId = await newNamespace();
    const [workerId] = await makeWorkers(1);
    const functionId = await deployFunction(db, namespaceId, "many", { concurrency: PLENTY });
    const key = functionKey(functionId);
    await sql`WITH laid AS (INSERT INTO returned_permits (key, count) VALUES (${key}, ${PLENTY}))
      UPDATE run_limits SET permits_held = ${PLENTY} WHERE key = ${key}`.execute(db);
    const calls = Array.from({ length: 4 }, () => directRun(namespaceId, functionId));
    const answers = await whileLocked(key, () =>
      Promise.all(calls.map((call) => reserveDirectRun(store, workerId!, call))),
    );
    assert.deepEqual(answers, ["reserved", "reserved", "reserved", "reserved"]);
  });

  test("are counted off by the scheduler but where somebody has the lock, for whom nobody waits", async () => {
    const namespaceId = await newNamespace();
    const [one, other] = [await makeLimit(namespaceId, PLENTY), await makeLimit(namespaceId, PLENTY)];
    await sql`WITH laid AS (INSERT INTO returned_permits (key, count) VALUES (${one}, 1), (${other}, 1))
      UPDATE run_limits SET permits_held = 1 WHERE key IN (${one}, ${other})`.execute(db);
    await db.transaction().execute(async (tx) => {
      await sql`SELECT FROM run_limits WHERE key = ${one} FOR UPDATE`.execute(tx);
      await foldAllReturned(store, 1);
    });
    assert.deepEqual([await permitsReturned(one), await permitsReturned(other)], [1, 0]);
    await foldAllReturned(store, 1);
    assert.deepEqual([await permitsReturned(one), await permitsCounted(one)], [0, 0]);
  });

  test("of a limit that is gone go, too", async () => {
    await sql`INSERT INTO returned_permits (key, count) VALUES ('queue:gone', 7)`.execute(db);
    await foldAllReturned(store, 10);
    assert.equal(await permitsReturned("queue:gone"), 0);
  });

  test("that came back are none too many where the limit is lowered at once", async () => {
    const namespaceId = await newNamespace();
    const [workerId] = await makeWorkers(1);
    const functionId = await deployFunction(db, namespaceId, "many", { concurrency: PLENTY });
    const runIds = await queueMany(6, () => queueInvocation(store, namespaceId, "many"));
    const claimed = await claimRuns(store, workerId!, runIds.slice(0, 3));
    await finishAttempts(
      store,
      workerId!,
      claimed.map((run) => succeeded(run, workerId!)),
    );
    await deployFunction(db, namespaceId, "many", { concurrency: 2 });
    assert.equal((await claimRuns(store, workerId!, runIds.slice(3))).length, 2);
    assert.equal(await permitsCounted(functionKey(functionId)), 2);
  });
});

test("one look grants so many permits and no more, whatever the keys: the next ones grant the rest", async () => {
  const namespaceId = await newNamespace();
  const keys = await Promise.all(
    [1_000, 1_000, 1_000].map((concurrency) => makeLimit(namespaceId, concurrency)),
  );
  const waiting = GRANT_BATCH / 2;
  for (const key of keys)
    await sql`INSERT INTO task_runs_open SELECT made.* FROM task_runs_open r, generate_series(1, ${waiting}::int) AS n,
        jsonb_populate_record(r, jsonb_build_object('id', overlay(r.id::text placing lpad(n::text, 8, '0') from 29), 'limit_keys', ARRAY[${key}::text],
          'waiting_for', 'concurrency', 'waiting_key', ${key}::text, 'room', 'awaited')) AS made
      WHERE r.id = ${await queueRun(store, namespaceId)}`.execute(db);
  const grantSome = async () => (await grantPermits(store, keys)).length;
  assert.deepEqual([await grantSome(), await grantSome(), await grantSome()], [GRANT_BATCH, waiting, 0]);
  assert.deepEqual(await Promise.all(keys.map(permitsHeld)), [waiting, waiting, waiting]);
});

test("a walk from line to line looks at so many at a time, and at all of them", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const keys = (
    await Promise.all([1, 1, 1, 1, 1].map((concurrency) => makeLimit(namespaceId, concurrency)))
  ).sort();
  const runIds: string[] = [];
  for (const key of keys) {
    const pair = await queueMany(2, () => queueRun(store, namespaceId));
    await setKeys(pair, [key]);
    runIds.push(...pair);
  }
  const claimed = await claimRuns(store, workerId, runIds);
  await finishAttempts(
    store,
    workerId,
    claimed.map((run) => succeeded(run, workerId)),
  );
  // A crash before it was told that runs wait.
  await sql`UPDATE run_limits SET has_waiting = false WHERE key = ANY(${keys})`.execute(db);
  const cursor = {};
  const looks: string[][] = [];
  for (let look = 0; look < 3; look += 1) looks.push(await findGrantableKeys(store, 2, cursor));
  assert.deepEqual(looks.flat(), keys);
  assert.deepEqual(await findGrantableKeys(store, 2, cursor), keys.slice(0, 2), "and begins anew");
  assert.equal((await grantPermits(store, keys)).length, keys.length);
});

describe("counts", () => {
  test("are made true again where they are not, whichever way", async () => {
    const namespaceId = await newNamespace();
    const workerId = await makeWorker(db);
    const runIds = await queueMany(2, () => queueRun(store, namespaceId));
    const keys = [await makeLimit(namespaceId, 2), await makeLimit(namespaceId, 2)];
    await setKeys([runIds[0]!], [keys[0]!]);
    await claimRuns(store, workerId, runIds);
    await sql`UPDATE run_limits SET permits_held = 1 - permits_held WHERE key = ANY(${keys})`.execute(db);
    assert.deepEqual(
      (await recountPermits(store)).toSorted((a, b) => a.after - b.after),
      [
        { key: keys[1]!, before: 1, after: 0 },
        { key: keys[0]!, before: 0, after: 1 },
      ],
    );
    assert.deepEqual(await recountPermits(store), []);
  });

  test("take in runs that began before their limit was there, and their ends", async () => {
    const namespaceId = await newNamespace();
    const workerId = await makeWorker(db);
    const [runId, other] = await queueMany(2, () => queueRun(store, namespaceId));
    const key = await makeLimit(namespaceId, 1);
    const [run] = await claimRuns(store, workerId, [runId!]);
    await setKeys([runId!, other!], [key]);
    assert.deepEqual(await recountPermits(store), [{ key, before: 0, after: 1 }]);
    assert.deepEqual(await claimRuns(store, workerId, [other!]), []);
    const report = await finishAttempts(store, workerId, [succeeded(run!, workerId)]);
    assert.deepEqual(wantedKeysOf(report.ended), [key]);
  });
});

describe("rows of the release before", () => {
  /** That release writes no keys and knows no permits. */
  async function openOld(count: number, concurrency = 1) {
    const namespaceId = await newNamespace();
    const functionId = await deployFunction(db, namespaceId, "f", { concurrency });
    const runIds = await queueMany(count, () => queueInvocation(store, namespaceId, "f"));
    await sql`UPDATE task_runs_open SET limit_keys = NULL WHERE id = ANY(${runIds})`.execute(db);
    return { namespaceId, functionId, key: functionKey(functionId), runIds };
  }
  const claimByOld = (workerId: string, runId: string) =>
    sql`UPDATE task_runs_open SET state = 'running', claim_no = claim_no + 1, worker_id = ${workerId},
      started_at = clock_timestamp(), room = NULL WHERE id = ${runId}`.execute(db);
  const awaitByOld = (runIds: string[]) =>
    sql`UPDATE task_runs_open SET room = 'awaited' WHERE id = ANY(${runIds})`.execute(db);

  test("the limit holds for runs that it queued", async () => {
    const { runIds } = await openOld(2);
    assert.deepEqual(idsOf(await claimRuns(store, await makeWorker(db), runIds)), [runIds[0]]);
  });

  test("runs that it started count from the next count on, and their ends by it leave no permit out", async () => {
    const { key, runIds } = await openOld(2);
    const old = await makeWorker(db);
    await claimByOld(old, runIds[0]!);
    assert.deepEqual(await recountPermits(store), [{ key, before: 0, after: 1 }]);
    assert.deepEqual(await claimRuns(store, await makeWorker(db), [runIds[1]!]), []);
    await sql`DELETE FROM task_runs_open WHERE id = ${runIds[0]}`.execute(db);
    assert.deepEqual(await recountPermits(store), [{ key, before: 1, after: 0 }]);
    assert.equal((await grantPermits(store, [key])).length, 1);
  });

  test("runs that it let wait are nobody's until they stand in line, and get their turn", async () => {
    const { key, runIds } = await openOld(3);
    await awaitByOld(runIds);
    const workerId = await makeWorker(db);
    assert.deepEqual((await claimDueRuns(store, workerId, 10, 0)).runs, []);
    assert.equal(await adoptWaiting(store, 2), 2);
    assert.equal(await adoptWaiting(store, 2), 1);
    assert.equal(await adoptWaiting(store, 2), 0);
    assert.deepEqual(await findGrantableKeys(store, 10), [key]);
    assert.deepEqual(
      (await grantPermits(store, [key])).map(({ runId }) => runId),
      [runIds[0]],
    );
  });

  test("runs that it let wait for a limit that is gone may be claimed", async () => {
    const { namespaceId, runIds } = await openOld(2);
    await awaitByOld(runIds);
    await deployFunction(db, namespaceId, "f");
    assert.equal(await adoptWaiting(store, 10), 2);
    assert.equal((await claimRuns(store, await makeWorker(db), runIds)).length, 2);
  });

  test("a run that waits here and was started there waits no more, also for its next attempt", async () => {
    const { key, runIds } = await openOld(2);
    const [old, workerId] = await makeWorkers(2);
    const [first] = await claimRuns(store, workerId!, runIds);
    assert.equal(await waitingFor(runIds[1]!), key);
    await sql`UPDATE task_runs_open SET room = 'offered' WHERE id = ${runIds[1]}`.execute(db);
    await claimByOld(old!, runIds[1]!);
    await sql`UPDATE task_runs_open SET state = 'queued' WHERE id = ${runIds[1]}`.execute(db);
    await finishAttempts(store, workerId!, [succeeded(first!, workerId!)]);
    assert.deepEqual(
      (await grantPermits(store, await findGrantableKeys(store, 10))).map(({ runId }) => runId),
      [runIds[1]],
    );
    assert.equal((await claimRuns(store, workerId!, [runIds[1]!])).length, 1);
  });

  test("it sees what waits here as waiting, and who waits for a function as its own", async () => {
    const { functionId, runIds } = await openOld(2);
    await claimRuns(store, await makeWorker(db), runIds);
    const { rows } = await sql<{ id: string }>`
      SELECT id FROM task_runs_open WHERE function_id = ${functionId} AND room = 'awaited'`.execute(db);
    assert.deepEqual(idsOf(rows), [runIds[1]]);
  });
});
