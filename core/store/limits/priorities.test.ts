/** Who comes late and has a higher priority starts first, whatever others were granted before. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits, UNTIL_RESUMED } from "../../domain/queue.ts";
import { endPauses, pauseQueue, putQueue } from "../queues/queues.ts";
import { type ClaimedRun, claimDueRuns, claimRuns } from "../runs/claim.ts";
import { finishAttempts } from "../runs/finish.ts";
import { finished, type GivenTask, makeWorker, queueRun, wantedKeysOf } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { grantPermits } from "./grant-permits.ts";
import { lineUpRuns } from "./line-up.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const NAME = "mail";

/** A queue with so many runs at once, all of which run. What is posted is looked at when a slot is free, not before. */
async function openFullQueue(concurrency: number, limits: Partial<QueueLimits> = {}) {
  const namespaceId = await newNamespace();
  await putQueue(store, namespaceId, NAME, { limits: { ...NO_LIMITS, ...limits, concurrency } });
  const workerId = await makeWorker(db);
  const names = new Map<string, string>();
  const post = async (name: string, given: GivenTask = {}): Promise<string> => {
    const runId = await queueRun(store, namespaceId, { queue: NAME, ...given });
    names.set(runId, name);
    return runId;
  };
  const toNames = (runs: { id: string }[]) => runs.map(({ id }) => names.get(id)!);
  const key = queueKey(namespaceId, NAME);
  const running: ClaimedRun[] = [];
  for (let index = 0; index < concurrency; index += 1) {
    const runId = await post("first");
    running.push(...(await claimRuns(store, workerId, [runId])));
  }
  assert.equal(running.length, concurrency);
  const end = async (runs: ClaimedRun[]) => {
    const { ended } = await finishAttempts(
      store,
      workerId,
      runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
    );
    await grantPermits(store, wantedKeysOf(ended));
  };
  return {
    ...{ namespaceId, workerId, key, post, toNames },
    line: async (...given: [name: string, given?: GivenTask][]): Promise<void> => {
      const runIds: string[] = [];
      for (const [name, task] of given) runIds.push(await post(name, task));
      assert.deepEqual(await claimRuns(store, workerId, runIds), []);
    },
    /** The one that has run for longest ends, and its slot is filled: with which one. */
    async next(): Promise<string[]> {
      await end(running.splice(0, 1));
      const { runs } = await claimDueRuns(store, workerId, 1, 0);
      running.push(...runs);
      return toNames(runs);
    },
    release: async () => await end(running.splice(0)),
  };
}

type FullQueue = Awaited<ReturnType<typeof openFullQueue>>;

async function takeNext({ next }: FullQueue, count: number): Promise<string[]> {
  const started: string[] = [];
  for (let index = 0; index < count; index += 1) started.push(...(await next()));
  return started;
}

const lineOf = async (runId: string) =>
  (
    await sql<{
      key: string | null;
    }>`SELECT waiting_key AS key FROM task_runs_open WHERE id = ${runId}`.execute(db)
  ).rows[0]!.key;

const of = (priority: number, concurrencyKey: string | null = null): GivenTask => ({
  priority,
  concurrencyKey,
});

describe("where all slots are taken by runs of a full queue", () => {
  test("several that are posted late start before all of a lower priority, though permits are granted to these first", async () => {
    const full = await openFullQueue(1);
    await full.line(["low-0"], ["low-1"], ["low-2"]);
    for (const name of ["urgent-0", "urgent-1", "urgent-2"]) await full.post(name, of(90));
    assert.deepEqual(await takeNext(full, 6), [
      ...["urgent-0", "urgent-1", "urgent-2"],
      ...["low-0", "low-1", "low-2"],
    ]);
  });

  test("who yields its permit keeps its turn", async () => {
    const full = await openFullQueue(1);
    await full.line(["ada-0", of(50, "ada")], ["ada-1", of(50, "ada")], ["bob", of(50, "bob")]);
    await full.post("urgent", of(90, "cleo"));
    assert.deepEqual(await takeNext(full, 4), ["urgent", "ada-0", "bob", "ada-1"]);
  });

  test("what is yielded of other keys is there for others", async () => {
    const full = await openFullQueue(2, { perKey: { concurrency: 1, rate: null } });
    await full.line(["ada-0", of(50, "ada")], ["ada-1", of(60, "ada")]);
    await full.post("urgent", of(90, "bob"));
    assert.deepEqual(await takeNext(full, 3), ["urgent", "ada-1"]);
    assert.deepEqual(await takeNext(full, 1), ["ada-0"]);
  });

  test("of the same priority who was granted a permit keeps it", async () => {
    const full = await openFullQueue(1);
    await full.line(["first-come"]);
    await full.post("second-come");
    assert.deepEqual(await takeNext(full, 2), ["first-come", "second-come"]);
  });

  test("of two free slots, one is for the late run and one for whoever keeps its permit", async () => {
    const { line, post, release, workerId, toNames } = await openFullQueue(2);
    await line(["low-0"], ["low-1"]);
    const urgent = await post("urgent", of(90));
    await release();
    assert.deepEqual(toNames(await claimRuns(store, workerId, [urgent])), ["urgent"]);
    assert.deepEqual(toNames((await claimDueRuns(store, workerId, 5, 0)).runs), ["low-0"]);
  });
});

describe("a run that no claim has looked at when the pause of its queue ends", () => {
  const openPaused = async (until: Date | number) => {
    const full = await openFullQueue(1);
    await full.release();
    await pauseQueue(store, full.namespaceId, NAME, until);
    await full.line(["low-0"], ["low-1"], ["lower", of(40)]);
    await full.post("urgent", of(80));
    await full.post("low-2");
    return full;
  };
  const granted = async ({ key, toNames }: FullQueue) =>
    toNames((await grantPermits(store, [key])).map(({ runId: id }) => ({ id })));

  test("starts before those of a lower priority that have waited: by a resume", async () => {
    const full = await openPaused(UNTIL_RESUMED);
    await pauseQueue(store, full.namespaceId, NAME, null);
    assert.deepEqual(await granted(full), ["urgent"]);
  });

  test("and by its instant", async () => {
    const full = await openPaused(new Date(Date.now() + 3_600_000));
    await sql`UPDATE queues SET paused_until = clock_timestamp() WHERE namespace_id = ${full.namespaceId}`.execute(
      db,
    );
    assert.deepEqual(await endPauses(store, 10), [full.key]);
    assert.deepEqual(await granted(full), ["urgent"]);
  });

  test("and where the queue is given more room", async () => {
    const full = await openFullQueue(1);
    await full.line(["low-0"], ["low-1"]);
    await full.post("urgent", of(80));
    await putQueue(store, full.namespaceId, NAME, { limits: { ...NO_LIMITS, concurrency: 2 } });
    assert.deepEqual(await granted(full), ["urgent"]);
  });

  test("is looked for among so many of the best of its namespace, whatever queue they are in", async () => {
    const { line, post, namespaceId, key } = await openFullQueue(1);
    await line(["low"]);
    await queueRun(store, namespaceId, { priority: 90 });
    const urgent = await post("urgent", of(80));
    await lineUpRuns(store, namespaceId, key, 1);
    assert.equal(await lineOf(urgent), null);
    await lineUpRuns(store, namespaceId, key, 2);
    assert.equal(await lineOf(urgent), key);
  });

  test("is waited for where another has locked it, and comes if it stands as before", async () => {
    const { line, post, namespaceId, key } = await openFullQueue(1);
    await line(["low"]);
    const [putOff, urgent] = [await post("put off", of(80)), await post("urgent", of(80))];
    const holder = await store.pool.connect();
    try {
      await holder.query("BEGIN");
      await holder.query("SELECT FROM task_runs_open WHERE id = ANY($1) FOR UPDATE", [[putOff, urgent]]);
      const lining = lineUpRuns(store, namespaceId, key);
      await untilBlocked(store);
      await holder.query("UPDATE task_runs_open SET available_at = now() + interval '1 hour' WHERE id = $1", [
        putOff,
      ]);
      await holder.query("COMMIT");
      await lining;
    } finally {
      holder.release();
    }
    assert.equal(await lineOf(putOff), null);
    assert.equal(await lineOf(urgent), key);
  });

  test("stays out of the line while the queue is paused", async () => {
    const { line, post, namespaceId } = await openFullQueue(1);
    await line(["low"]);
    const urgent = await post("urgent", of(80));
    await pauseQueue(store, namespaceId, NAME, UNTIL_RESUMED);
    await putQueue(store, namespaceId, NAME, { limits: { ...NO_LIMITS, concurrency: 2 } });
    assert.equal(await lineOf(urgent), null);
  });
});
