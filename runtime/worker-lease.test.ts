/** Only the worker that holds a run may begin it: claims answered late, leases that lapse. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { sql } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import type { CallAnswer, DirectOutcome } from "../core/contracts/direct-call.ts";
import { succeeded } from "../core/domain/attempt.ts";
import { newId } from "../core/store/ids.ts";
import { openListener } from "../core/store/listen.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { findRun } from "../core/store/runs/read.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { ANY_TIME, deployFunction, queueRun } from "../core/store/testing/samples.ts";
import { until } from "../core/store/testing/test-store.ts";
import { createRecording } from "../test/support/recording.ts";
import type { DirectCalls } from "./direct/direct-calls.ts";
import { runUntilAborted } from "./testing/claimed-run.ts";
import {
  db,
  fail,
  inState,
  namespaceId,
  openWorker,
  ring,
  store,
  url,
  workerRow,
} from "./testing/open-worker.ts";
import { withholdAnswers } from "./testing/withhold-answers.ts";

/** The system's clock; the worker can be made to sleep through a while, its timers too, as a frozen process does. */
function createFreezingClock(): Clock & { freeze(ms: number): void } {
  let frozenMs = 0;
  return {
    ...systemClock,
    now: () => new Date(Date.now() + frozenMs),
    steadyMs: () => performance.now() + frozenMs,
    freeze(ms) {
      frozenMs += ms;
    },
  };
}

/** Longer than a busy machine keeps a worker from its heartbeats, which come three times as often. */
const LEASE_MS = 3_000;
const NO_ANSWER: CallAnswer = {
  refused: (reason) => assert.fail(reason),
  accepted() {},
  head() {},
  data() {},
  end() {},
  pull() {},
  done() {},
  lost: () => assert.fail("the call was lost"),
};

/** Before the worker freezes, not after: one that wakes may have renewed its lease already. */
const expireLeases = () => sql`UPDATE workers SET lease_until = now() - interval '1 second'`.execute(db);

/** Resolves after two heartbeats that find the run in the table, begun longer ago than a lease of 600 ms. */
async function outliveLease(workerId: string, runId: string): Promise<void> {
  const { startedAt } = (await findRun(store, namespaceId, runId))!;
  const leaseUntil = async () => (await workerRow(workerId))!.leaseUntil;
  await until(async () => (Number(await leaseUntil()) > Number(startedAt) + 2 * LEASE_MS ? true : undefined));
  for (let beats = 0; beats < 2; beats += 1) {
    const before = await leaseUntil();
    await until(async () => ((await leaseUntil()) > before ? true : undefined));
  }
}

test("a worker that may not work after all has taken no lease", async (t) => {
  const whetherItMay = Promise.withResolvers<void>();
  const listener = await openListener(url, systemClock, fail);
  t.after(() => listener.close());
  const opening = openWorker(t, async () => succeeded(null), { mayWork: whetherItMay.promise, listener });
  const refused = assert.rejects(opening, /the key does not fit/);
  whetherItMay.reject(new Error("the key does not fit"));
  await refused;
  assert.deepEqual((await sql`SELECT id FROM workers`.execute(db)).rows, []);
});

test("a run whose claim is not answered yet is not given back: it would run twice", async (t) => {
  const withheld = withholdAnswers(t);
  const begun = createRecording<string>("attempt");
  const worker = await openWorker(
    t,
    async ({ id }) => {
      begun.add(id);
      return succeeded(null);
    },
    { leaseMs: LEASE_MS, store: withheld.store },
  );
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await withheld.written;
  await outliveLease(worker.id, runId);
  assert.equal((await findRun(store, namespaceId, runId))!.state, "running");
  withheld.answer();
  await inState(runId, "succeeded");
  assert.deepEqual(begun.items, [runId]);
});

/** A call of a function with a limit of runs at once. */
async function callNarrow(directCalls: DirectCalls) {
  const functionId = await deployFunction(db, namespaceId, `narrow-${randomUUID()}`, { concurrency: 1 });
  const { rows } = await sql<{ id: string }>`
    SELECT active_revision_id AS id FROM functions WHERE id = ${functionId}`.execute(db);
  const runId = newId();
  const done = createRecording<DirectOutcome>("outcome");
  directCalls.begin(
    {
      ...{ runId, namespaceId, functionId, functionName: "narrow", revisionId: rows[0]!.id },
      ...{ isLimited: true, input: null },
    },
    { ...NO_ANSWER, done: (outcome) => done.add(outcome) },
  );
  return { runId, done };
}

test("a call whose permit is being reserved is not given back: its caller has handed it over", async (t) => {
  const withheld = withholdAnswers(t);
  const begun = createRecording<string>("attempt");
  let directCalls: DirectCalls | undefined;
  const worker = await openWorker(
    t,
    async ({ id }) => {
      begun.add(id);
      return succeeded("done");
    },
    {
      ...{ leaseMs: LEASE_MS, store: withheld.store },
      serveDirect: (opened) => {
        directCalls = opened;
      },
    },
  );
  const { runId, done } = await callNarrow(directCalls!);
  await withheld.written;
  await outliveLease(worker.id, runId);
  assert.equal((await findRun(store, namespaceId, runId))!.state, "running");
  withheld.answer();
  assert.deepEqual(await done.waitFor(() => true), [{ state: "succeeded", result: "done" }]);
  assert.deepEqual(begun.items, [runId]);
});

for (const way of ["claimed", "direct"] as const) {
  test(`a cancel that is heard before the worker knows of its ${way} run stops it as soon as it does`, async (t) => {
    const withheld = withholdAnswers(t);
    const heard = createRecording<string>("cancel");
    const listener = await openListener(url, systemClock, fail);
    let directCalls: DirectCalls | undefined;
    const worker = await openWorker(t, runUntilAborted, {
      // No heartbeat finds it.
      ...{ leaseMs: 3_600_000, store: withheld.store, listener },
      serveDirect: (opened) => {
        directCalls = opened;
      },
    });
    // After the worker itself: what is told here, it has heard.
    await listener.on("bellhop_cancel", ({ ids }) => ids.forEach(heard.add));
    const queued =
      way === "claimed" ? await queueRun(store, namespaceId, { timeoutMs: 3_600_000 }) : undefined;
    if (queued !== undefined) await ring(worker, queued);
    const runId = queued ?? (await callNarrow(directCalls!)).runId;
    await withheld.written;
    const { asked } = await cancelRuns(store, namespaceId, { runId });
    assert.deepEqual(asked, [runId]);
    worker.notifier.notify("bellhop_cancel", asked);
    await heard.waitFor((id) => id === runId);
    withheld.answer();
    await inState(runId, "cancelled");
  });
}

test("a run whose claim was never answered ends as cancelled where that was asked for", async (t) => {
  const worker = await openWorker(t, async () => succeeded(null), { leaseMs: 600, slots: 0 });
  const runId = await queueRun(store, namespaceId);
  await sql`UPDATE task_runs_open SET state = 'running', worker_id = ${worker.id}, claim_no = 3,
    started_at = clock_timestamp() - interval '1 hour', cancel_requested_at = clock_timestamp() WHERE id = ${runId}`.execute(
    db,
  );
  const { attempts } = await inState(runId, "cancelled");
  assert.equal(attempts.at(-1)?.error?.code, "worker_lost");
});

test("a claim that is answered after the lease lapsed begins nothing: the run may be another's by then", async (t) => {
  const withheld = withholdAnswers(t);
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
  await withheld.written;
  await expireLeases();
  clock.freeze(61_000);
  const [rescued] = await rescueLostRuns(store, new Date(), ANY_TIME, 1);
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
  await expireLeases();
  clock.freeze(61_000);
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await inState(runId, "succeeded");
  assert.ok(leases.items[0]! > new Date(), "the run began under a lease that had lapsed");
});
