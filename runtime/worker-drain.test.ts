/** How a worker goes: it drains, retires, gives back, and what then becomes of its runs. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import type { CallAnswer } from "../core/contracts/direct-call.ts";
import { type AttemptOutcome, succeeded } from "../core/domain/attempt.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { findRun } from "../core/store/runs/read.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { ANY_TIME, queueRun } from "../core/store/testing/samples.ts";
import { until } from "../core/store/testing/test-store.ts";
import { createRecording } from "../test/support/recording.ts";
import { createCallerMeetings } from "./direct/caller-meetings.ts";
import { runUntilAborted } from "./testing/claimed-run.ts";
import {
  db,
  heldRunner,
  inState,
  lockRun,
  namespaceId,
  openWorker,
  ring,
  store,
  workerRow,
} from "./testing/open-worker.ts";
import { withholdAnswers } from "./testing/withhold-answers.ts";
import type { WorkerParts } from "./worker.ts";

const REQUEST = { method: "GET", url: "http://a/", headers: [], body: "" };

test("a draining worker takes nothing more and finishes what ends within the grace", async (t) => {
  const held = heldRunner();
  let asleep = 0;
  const clock: Clock = {
    now: systemClock.now,
    steadyMs: systemClock.steadyMs,
    after(ms, act) {
      const open = new Set([act]);
      asleep += 1;
      const close = () => {
        if (open.delete(act)) asleep -= 1;
      };
      const cancel = systemClock.after(ms, () => {
        close();
        act();
      });
      return () => {
        close();
        cancel();
      };
    },
    async sleep(ms, signal) {
      asleep += 1;
      await systemClock.sleep(ms, signal);
      asleep -= 1;
    },
  };
  const worker = await openWorker(t, held.runner, { drainMs: 60_000, clock });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  const stopping = worker.stop();
  await until(async () => ((await workerRow(worker.id))?.draining ? true : undefined));
  const later = await queueRun(store, namespaceId);
  held.end(runId, succeeded("in time"));
  await stopping;
  assert.deepEqual((await findRun(store, namespaceId, runId))?.result, "in time");
  assert.equal((await findRun(store, namespaceId, later))?.state, "queued");
  assert.equal(held.started.length, 1);
  assert.equal(asleep, 0, "nothing waits any more, the grace's timer neither");
});

test("what outlasts the grace is given back: another worker runs it, with the same attempt number", async (t) => {
  const held = heldRunner();
  const first = await openWorker(t, held.runner, { drainMs: 0 });
  const runId = await queueRun(store, namespaceId);
  await ring(first, runId);
  const [before] = await held.whenStarted(1);
  const second = await openWorker(t, async (run) => succeeded({ attempt: run.attempt }));
  await first.stop();
  const run = await inState(runId, "succeeded");
  assert.deepEqual(run.result, { attempt: before!.attempt });
  assert.equal(run.workerId, second.id);
  assert.equal(run.attempts.length, 1);
  assert.equal(before!.context.signal.aborted, true);
});

test("a run whose claim is answered while its worker stops is begun, and given back like the others", async (t) => {
  const withheld = withholdAnswers(t);
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0, store: withheld.store });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await withheld.written;
  const stopping = worker.stop();
  withheld.answer();
  await stopping;
  const run = await findRun(store, namespaceId, runId);
  assert.deepEqual([run?.state, run?.attempt, run?.attempts], ["queued", 1, []]);
  assert.equal(held.started.at(0)?.context.signal.aborted, true);
  assert.equal(await workerRow(worker.id), undefined);
});

test("a run that was asked to stop and has not heard so is not given back: it ends as cancelled", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0, leaseMs: 3_600_000 });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  // Its bell is lost.
  await cancelRuns(store, namespaceId, { runId });
  await worker.stop();
  await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  assert.equal((await findRun(store, namespaceId, runId))?.state, "cancelled");
});

test("a run that comes back to the worker that lost it can still be cancelled and given back", async (t) => {
  const attempts = createRecording<{ attempt: number; end(outcome: AttemptOutcome): void }>("attempt");
  const worker = await openWorker(
    t,
    (run, context) =>
      new Promise((end) => {
        attempts.add({ attempt: run.attempt, end });
        if (run.attempt === 2) void runUntilAborted(run, context).then(end);
      }),
    { leaseMs: 3_600_000 },
  );
  const runId = await queueRun(store, namespaceId, { timeoutMs: 3_600_000 });
  await ring(worker, runId);
  const [lost] = await attempts.waitFor(({ attempt }) => attempt === 1);
  await sql`UPDATE workers SET lease_until = now() - interval '1 second'`.execute(db);
  await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  await sql`UPDATE task_runs_open SET state = 'queued', available_at = now()`.execute(db);
  await ring(worker, runId);
  await attempts.waitFor(({ attempt }) => attempt === 2);
  lost!.end(succeeded("too late"));
  await until(async () => ((await worker.metrics.dropped.get()).values[0]?.value === 1 ? true : undefined));
  await cancelRuns(store, namespaceId, { runId });
  worker.notifier.notify("bellhop_cancel", [runId]);
  assert.equal((await inState(runId, "cancelled")).attempt, 2);
});

test("a worker that cannot give its runs back leaves them to its lease, and stops all the same", async (t) => {
  const broken: WorkerParts["store"] = {
    ...store,
    pool: Object.create(store.pool, {
      query: {
        value: (query: unknown, ...rest: unknown[]) =>
          typeof query === "string" && query.includes("SET state = 'queued'")
            ? Promise.reject(new Error("connection lost"))
            : store.pool.query(query as string, ...(rest as [unknown[]])),
      },
    }) as WorkerParts["store"]["pool"],
  };
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0, store: broken });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  await worker.stop();
  assert.equal((await findRun(store, namespaceId, runId))?.state, "running");
  assert.equal(held.started[0]?.context.signal.aborted, true);
});

test("a worker that retires says so, takes nothing more, and waits for what it has, however long its drain", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0 });
  const [long, next] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await ring(worker, long);
  await held.whenStarted(2);
  held.end(next);
  await inState(next, "succeeded");
  let isRetired = false;
  const retired = worker.retire().then(() => {
    isRetired = true;
  });
  await until(async () => (await workerRow(worker.id))?.draining || undefined);
  const late = await queueRun(store, namespaceId);
  await ring(worker, late);
  assert.equal(isRetired, false);
  held.end(long);
  await retired;
  await worker.stop();
  assert.equal((await inState(long, "succeeded")).attempt, 1);
  await inState(late, "queued");
});

/** A worker of one slot: a run that has ended outside it and cannot be recorded, and one at work in it. */
async function recordOutsideTheSlot(t: TestContext, drainMs: number) {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { slots: 1, drainMs });
  await ring(worker, await queueRun(store, namespaceId), await queueRun(store, namespaceId));
  const [ended] = await held.whenStarted(1);
  const locked = await lockRun(t, ended!.runId);
  held.end(ended!.runId);
  const [, atWork] = await held.whenStarted(2);
  return { held, worker, locked, ended: ended!.runId, atWork: atWork!.runId };
}

test("a worker that retires waits for a run that is recorded outside its slots", async (t) => {
  const { held, worker, locked, ended, atWork } = await recordOutsideTheSlot(t, 0);
  let isRetired = false;
  const retired = worker.retire().then(() => {
    isRetired = true;
  });
  await until(async () => (await workerRow(worker.id))?.draining || undefined);
  held.end(atWork);
  await inState(atWork, "succeeded");
  assert.equal(isRetired, false);
  await locked.unlock();
  await retired;
  assert.equal((await findRun(store, namespaceId, ended))?.state, "succeeded");
});

test("a worker that stops gives back the run in its slot, and records the one outside", async (t) => {
  const { held, worker, locked, ended, atWork } = await recordOutsideTheSlot(t, 0);
  const stopping = worker.stop();
  await inState(atWork, "queued");
  await locked.unlock();
  await stopping;
  const [recorded, given] = await Promise.all(
    [ended, atWork].map((runId) => findRun(store, namespaceId, runId)),
  );
  assert.deepEqual([recorded?.state, recorded?.attempts.length], ["succeeded", 1]);
  assert.deepEqual([given?.state, given?.attempts.length], ["queued", 0]);
  assert.equal(held.started[1]?.context.signal.aborted, true);
});

test("a queue that does not answer holds up no worker that stops: what it gives back is rung again by others", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0 });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  worker.transport.ring = () => new Promise(() => {});
  await worker.stop();
  assert.equal((await findRun(store, namespaceId, runId))?.state, "queued");
});

/** A run whose caller it meets, at work until its worker stops; what its caller hears. */
async function stopWithCaller(t: TestContext, answers: boolean) {
  const callers = createCallerMeetings(systemClock);
  const said = createRecording<string>("word");
  const answer: CallAnswer = {
    ...{
      accepted() {},
      head: () => said.add("head"),
      data() {},
      end() {},
      pull() {},
      refused: (why) => said.add(why),
    },
    done: (outcome) => said.add(outcome.state === "failed" ? outcome.error.code : outcome.state),
    lost: () => said.add("lost"),
  };
  const met = Promise.withResolvers<void>();
  const worker = await openWorker(
    t,
    async (run, context) => {
      const http = await context.meetCaller?.("api", REQUEST);
      if (answers) {
        http!.onHead({ status: 200, headers: [] });
        await said.waitFor((word) => word === "head");
      }
      met.resolve();
      return await runUntilAborted(run, context);
    },
    { callers, drainMs: 0 },
  );
  const runId = await queueRun(store, namespaceId);
  const call = { runId, namespaceId, functionId: "f", functionName: "f", revisionId: "r", isLimited: false };
  callers.join("api", () => callers.handOver("api", { ...call, isClaimed: true, input: null }, answer));
  await ring(worker, runId);
  await met.promise;
  await worker.stop();
  return { said: said.items, run: await findRun(store, namespaceId, runId) };
}

test("a run that answers its caller is not given back: it ends here, and its caller hears how", async (t) => {
  const { said, run } = await stopWithCaller(t, true);
  assert.deepEqual(said, ["head", "worker_stopped"]);
  // As its task has it: tried again, and not queued as it was.
  assert.deepEqual([run?.error?.code, run?.attempts.length], ["worker_stopped", 1]);
});

test("one that has not begun to is given back, and its caller with it", async (t) => {
  const { said, run } = await stopWithCaller(t, false);
  assert.deepEqual(said, ["lost"]);
  assert.deepEqual([run?.state, run?.attempts.length], ["queued", 0]);
});
