/** Who is the next in a line: by priority, and in it the keys of a queue by turns. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { assertAsyncHolds } from "../../../test/support/properties.ts";
import { queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits, UNTIL_RESUMED } from "../../domain/queue.ts";
import { pauseQueue, putQueue } from "../queues/queues.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { finishAttempts } from "../runs/finish.ts";
import { finished, type GivenTask, makeWorker, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { grantPermits } from "./grant-permits.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const NAME = "mail";

/** A queue that is full with as many runs as may run at once; those that are queued come into its line. */
async function openFullQueue(concurrency: number, limits: Partial<QueueLimits> = {}) {
  const namespaceId = await newNamespace();
  await putQueue(store, namespaceId, NAME, { limits: { ...NO_LIMITS, ...limits, concurrency } });
  const workerId = await makeWorker(db);
  const names = new Map<string, string>();
  const queue = async (name: string, given: GivenTask = {}): Promise<string> => {
    const runId = await queueRun(store, namespaceId, { queue: NAME, ...given });
    names.set(runId, name);
    return runId;
  };
  const line = async (...given: [name: string, given?: GivenTask][]): Promise<void> => {
    const runIds: string[] = [];
    for (const [name, task] of given) runIds.push(await queue(name, task));
    assert.deepEqual(await claimRuns(store, workerId, runIds), []);
  };
  const end = async (runs: ClaimedRun[]) =>
    await finishAttempts(
      store,
      workerId,
      runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
    );
  const key = queueKey(namespaceId, NAME);
  const first: string[] = [];
  for (let index = 0; index < concurrency; index += 1) first.push(await queue("first"));
  let running = await claimRuns(store, workerId, first);
  assert.equal(running.length, concurrency);
  return {
    ...{ namespaceId, workerId, key, queue, line, end },
    /** What starts where all that run end: their names. */
    async next(): Promise<string[]> {
      await end(running);
      const granted = (await grantPermits(store, [key])).map(({ runId }) => runId);
      running = await claimRuns(store, workerId, granted);
      assert.equal(running.length, granted.length);
      return granted.map((runId) => names.get(runId)!);
    },
    release: async () => await end(running.splice(0)),
  };
}

const of = (concurrencyKey: string | null, priority = 50): GivenTask => ({ concurrencyKey, priority });
const adas = (count: number) =>
  Array.from({ length: count }, (_, index): [string, GivenTask] => [`ada-${index}`, of("ada")]);

describe("in the line of a queue", () => {
  test("runs of several keys, and of none, start alternately", async () => {
    const { line, next } = await openFullQueue(1);
    await line(...adas(4));
    await line(["bob-0", of("bob")], ["bob-1", of("bob")], ["none-0"], ["none-1"]);
    const started: string[] = [];
    for (let count = 0; count < 8; count += 1) started.push(...(await next()));
    assert.deepEqual(started, [
      ...["ada-0", "bob-0", "none-0", "ada-1", "bob-1", "none-1"],
      ...["ada-2", "ada-3"],
    ]);
  });

  test("one customer's run does not wait behind 100,000 of another", async () => {
    const { key, namespaceId, line, next } = await openFullQueue(10);
    await line(...adas(1));
    await sql`INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at, queue,
        limit_keys, waiting_for, waiting_key, room, turn_key, turn)
      SELECT gen_random_uuid(), namespace_id, task_id, type, trigger, state, scheduled_for, available_at, queue,
        limit_keys, waiting_for, waiting_key, room, turn_key, n
      FROM task_runs_open r, generate_series(1, 99999) AS n WHERE r.waiting_key = ${key}`.execute(db);
    await line(["bob", of("bob")]);
    assert.ok((await next()).includes("bob"));
    await sql`DELETE FROM task_runs_open WHERE namespace_id = ${namespaceId} AND waiting_key IS NOT NULL`.execute(
      db,
    );
  });

  test("a key whose own permits are out leaves its turn to the others", async () => {
    const { line, next } = await openFullQueue(2, { perKey: { concurrency: 1, rate: null } });
    await line(...adas(3), ["bob", of("bob")]);
    assert.deepEqual((await next()).sort(), ["ada-0", "bob"]);
  });

  test("a higher priority comes first, whenever it came", async () => {
    const { line, next, queue, release, workerId, end } = await openFullQueue(1);
    await line(["low", of("ada", 10)], ["middle", of("ada")], ["high", of("bob", 90)]);
    assert.deepEqual(await next(), ["high"]);
    await release();
    const [fresh, urgent] = [await queue("fresh"), await queue("urgent", of(null, 100))];
    const claimed = await claimRuns(store, workerId, [fresh, urgent]);
    assert.deepEqual(
      claimed.map(({ id }) => id),
      [urgent],
    );
    await end(claimed);
    assert.deepEqual([await next(), await next(), await next()], [["middle"], ["fresh"], ["low"]]);
  });

  test("who is new does not pass who waits, though it is another key's turn", async () => {
    const { line, next, queue, release, workerId, end } = await openFullQueue(1);
    await line(...adas(2));
    await release();
    const bob = await queue("bob", of("bob"));
    const [claimed] = await claimRuns(store, workerId, [bob]);
    assert.notEqual(claimed?.id, bob);
    await end([claimed!]);
    assert.deepEqual([await next(), await next()], [["bob"], ["ada-1"]]);
  });
});

describe("a run that was called and is refused keeps its turn", () => {
  const hourly = { limit: 1, perMs: 3_600_000, burst: 1 };
  /** As if the rate's interval had gone by. */
  const refill = () => sql`UPDATE run_limits SET rate_used_until_ms = 0`.execute(db);

  /** Four runs came into the line; the first one has ended, and the second is called. */
  async function callSecond() {
    const namespaceId = await newNamespace();
    await putQueue(store, namespaceId, NAME, { limits: { ...NO_LIMITS, rate: hourly } });
    const workerId = await makeWorker(db);
    const queue = (given: GivenTask = {}) => queueRun(store, namespaceId, { queue: NAME, ...given });
    const runIds: string[] = [];
    for (let count = 0; count < 4; count += 1) runIds.push(await queue());
    const claim = async (runIds: string[]) => {
      const runs = await claimRuns(store, workerId, runIds);
      await finishAttempts(
        store,
        workerId,
        runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
      );
      return runs.map(({ id }) => id);
    };
    const call = async () =>
      (await grantPermits(store, [queueKey(namespaceId, NAME)])).map(({ runId }) => runId);
    const [first, second] = [runIds[0]!, runIds[1]!];
    assert.deepEqual(await claim(runIds), [first]);
    await refill();
    assert.deepEqual(await call(), [second]);
    return { namespaceId, second, queue, claim, call };
  }

  test("by a pause", async () => {
    const { namespaceId, second, claim, call } = await callSecond();
    await pauseQueue(store, namespaceId, NAME, UNTIL_RESUMED);
    assert.deepEqual(await claim([second]), []);
    await pauseQueue(store, namespaceId, NAME, null);
    assert.deepEqual(await call(), [second]);
  });

  test("for one of a higher priority", async () => {
    const { second, queue, claim, call } = await callSecond();
    const urgent = await queue({ priority: 90 });
    assert.deepEqual(await claim([urgent, second]), [urgent]);
    await refill();
    assert.deepEqual(await call(), [second]);
  });
});

test("while a key waits no other starts more than twice, whoever comes and ends", async () => {
  const step = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        key: fc.constantFrom("ada", "bob", "eve"),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 3, arbitrary: fc.constant(null) },
  );
  await assertAsyncHolds(
    fc.array(step, { minLength: 5, maxLength: 25 }),
    async (steps) => {
      const { line, next, release } = await openFullQueue(1);
      const waiting = new Map<string, number>();
      /** Of each key that waits: how often each other one has started since it began to wait, or since its own last start. */
      const passed = new Map<string, Map<string, number>>();
      for (const arrivals of [...steps, ...Array<null>(40).fill(null)]) {
        if (arrivals) {
          const { key, count } = arrivals;
          await line(...Array.from({ length: count }, (): [string, GivenTask] => [key, of(key)]));
          if (!waiting.get(key)) passed.set(key, new Map());
          waiting.set(key, (waiting.get(key) ?? 0) + count);
          continue;
        }
        const isIdle = [...waiting.values()].every((count) => count === 0);
        const started = await next();
        assert.equal(started.length, isIdle ? 0 : 1, "never idle while somebody waits");
        if (isIdle) break;
        const key = started[0]!;
        waiting.set(key, waiting.get(key)! - 1);
        for (const [other, by] of passed)
          if (other !== key && waiting.get(other)! > 0) {
            by.set(key, (by.get(key) ?? 0) + 1);
            assert.ok(by.get(key)! <= 2, `${key} starts once more while ${other} waits`);
          }
        passed.set(key, new Map());
      }
      await release();
      await clear();
    },
    6,
  );
});
