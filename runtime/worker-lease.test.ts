/** A run is begun by the worker that holds it, and by no other: claims whose answers are late, leases that lapse. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import { succeeded } from "../core/domain/attempt.ts";
import type { Store } from "../core/store/database.ts";
import { findRun } from "../core/store/runs/read.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { ANY_TIME, queueRun } from "../core/store/testing/samples.ts";
import { until } from "../core/store/testing/test-store.ts";
import { createRecording } from "../test/support/recording.ts";
import { db, inState, namespaceId, openWorker, ring, store, workerRow } from "./testing/open-worker.ts";

/** A store whose claims that find something are answered when the test says so, or ends. */
function withholdClaim(t: TestContext) {
  const claimed = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  t.after(() => answered.resolve());
  const pool = new Proxy(store.pool, {
    get(target, key) {
      if (key !== "query") {
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (...args: [query: string | { name: string }]) => {
        const answer = await target.query(...(args as [string]));
        const [query] = args;
        if (typeof query === "object" && query.name.startsWith("claim-") && answer.rows.length > 0) {
          claimed.resolve();
          await answered.promise;
        }
        return answer;
      };
    },
  });
  return {
    store: { ...store, pool } satisfies Store,
    /** Resolves when the row says that the run is the worker's. */
    claimed: claimed.promise,
    answer: () => answered.resolve(),
  };
}

/** The system's clock; the worker can be made to sleep through a while, its timers too, as a frozen process does. */
function createFreezingClock(): Clock & { freeze(ms: number): void } {
  let frozenMs = 0;
  return {
    ...systemClock,
    now: () => new Date(Date.now() + frozenMs),
    freeze(ms) {
      frozenMs += ms;
    },
  };
}

const expireLeases = () => sql`UPDATE workers SET lease_until = now() - interval '1 second'`.execute(db);

test("a run whose claim is not answered yet is not given back: it would run twice", async (t) => {
  const withheld = withholdClaim(t);
  const begun = createRecording<string>("attempt");
  const worker = await openWorker(
    t,
    async ({ id }) => {
      begun.add(id);
      return succeeded(null);
    },
    { leaseMs: 600, store: withheld.store },
  );
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await withheld.claimed;
  const { startedAt } = (await findRun(store, namespaceId, runId))!;
  const renewed = async () => (await workerRow(worker.id))!.leaseUntil;
  await until(async () => (Number(await renewed()) > Number(startedAt) + 1_200 ? true : undefined));
  // Two more heartbeats that find it in the table, claimed longer ago than a lease.
  for (let beats = 0; beats < 2; beats += 1) {
    const before = await renewed();
    await until(async () => ((await renewed()) > before ? true : undefined));
  }
  assert.equal((await findRun(store, namespaceId, runId))!.state, "running");
  withheld.answer();
  await inState(runId, "succeeded");
  assert.deepEqual(begun.items, [runId]);
});

test("a claim that is answered after the lease lapsed begins nothing: the run may be another's by then", async (t) => {
  const withheld = withholdClaim(t);
  const clock = createFreezingClock();
  const begun = createRecording<string>("attempt");
  const worker = await openWorker(
    t,
    async ({ id }) => {
      begun.add(id);
      return succeeded(null);
    },
    { clock, store: withheld.store },
  );
  const runIds = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await ring(worker, ...runIds);
  await withheld.claimed;
  clock.freeze(61_000);
  await expireLeases();
  const [rescued] = await rescueLostRuns(db, new Date(), ANY_TIME, 1);
  withheld.answer();
  const other = runIds.find((id) => id !== rescued!.runId)!;
  const run = await inState(other, "succeeded");
  assert.equal(run.attempts.length, 1);
  await worker.stop();
  assert.deepEqual(begun.items, [other]);
  assert.equal((await findRun(store, namespaceId, rescued!.runId))!.state, "scheduled");
});

test("a worker whose lease lapsed renews it before it claims: the rescue would take the run at once", async (t) => {
  const clock = createFreezingClock();
  const leases = createRecording<Date>("lease");
  const worker = await openWorker(
    t,
    async () => {
      leases.add((await workerRow(worker.id))!.leaseUntil);
      return succeeded(null);
    },
    { clock },
  );
  clock.freeze(61_000);
  await expireLeases();
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await inState(runId, "succeeded");
  assert.ok(leases.items[0]! > new Date(), "the run began under a lease that had lapsed");
});
