/** All times of a run are told by one clock, the database's, however wrong the clock of who ran it is. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Run } from "../../contracts/run.ts";
import { findFunction } from "../functions/functions.ts";
import { newId } from "../ids.ts";
import { listRunLogs } from "../logs.ts";
import { createTask } from "../tasks/create.ts";
import {
  ANY_TIME,
  claim,
  deployFunction,
  finished,
  httpTask,
  line,
  makeWorker,
  queueInvocation,
  retryAfter,
  startRun,
} from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { removeWorker } from "../workers.ts";
import { type DirectRun, type FinishedDirectRun, recordDirectRuns, showDirectRun } from "./direct.ts";
import { finishAttempts } from "./finish.ts";
import { endLostCall } from "./lost-call.ts";
import { findRun } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
beforeEach(clear);

const MINUTE_MS = 60_000;
/** What an attempt takes, by the clock of who runs it. */
const TOOK_MS = 30;

/** Of a run that was made at once: scheduledFor ≤ queuedAt ≤ startedAt ≤ each attempt's startedAt ≤ its finishedAt ≤ finishedAt, and no time of the future. */
function assertInOrder(run: Run): void {
  const { scheduledFor, queuedAt, startedAt, finishedAt, attempts } = run;
  const times = [
    ["scheduledFor", scheduledFor],
    ["queuedAt", queuedAt],
    ["startedAt", startedAt],
    ...attempts.flatMap((attempt) => [
      [`startedAt of attempt ${attempt.attempt}`, new Date(attempt.startedAt!)] as const,
      [`finishedAt of attempt ${attempt.attempt}`, new Date(attempt.finishedAt)] as const,
    ]),
    ...(finishedAt === null ? [] : [["finishedAt", finishedAt] as const]),
  ] as [string, Date][];
  const told = times.map(([name, at]) => `${name} ${at.toISOString()}`).join("\n");
  for (const [index, [name, at]] of times.entries()) {
    const [, before] = times[index - 1] ?? times[0]!;
    assert.ok(at.getTime() >= before.getTime(), `${name} is before its time:\n${told}`);
  }
}

async function assertLinesWithin(run: Run): Promise<void> {
  const lines = await listRunLogs(db, run.id, 10, undefined);
  assert.equal(lines.length, 1);
  const atMs = lines[0]!.at.getTime();
  assert.ok(atMs >= run.startedAt!.getTime() && atMs <= run.finishedAt!.getTime(), String(lines[0]!.at));
}

async function openDirect(skewMs: number) {
  await deployFunction(db, namespaceId, "called");
  const fn = (await findFunction(db, namespaceId, "called"))!;
  const workerId = await makeWorker(db);
  const run: DirectRun = {
    ...{ id: newId(), namespaceId, functionId: fn.id, revisionId: fn.revision.id },
    ...{ trigger: "invoke", input: null, timeoutMs: 1_000, ageMs: TOOK_MS },
  };
  const nowMs = Date.now() + skewMs;
  const ended: FinishedDirectRun = {
    ...{ runId: run.id, claimNo: 1, namespaceId, taskId: null, type: "function" },
    ...{ functionId: run.functionId, revisionId: run.revisionId, trigger: "invoke", input: null },
    functionName: "called",
    ...{
      timeoutMs: 1_000,
      holdsPermits: false,
      hasOwnClock: true,
      hasCallbacks: false,
      durationMs: TOOK_MS,
      logs: [line("x", { at: new Date(nowMs - TOOK_MS / 2) })],
    },
    verdict: { state: "succeeded", result: 1 },
    record: {
      ...{ attempt: 1, workerId, error: null },
      ...{ startedAt: new Date(nowMs - TOOK_MS).toISOString(), finishedAt: new Date(nowMs).toISOString() },
    },
  };
  const read = async () => (await findRun(store, namespaceId, run.id))!;
  return { workerId, run, ended, read };
}

test("a scheduled run is queued ahead of its instant", async () => {
  const dueAt = new Date(Date.now() + MINUTE_MS);
  const input = httpTask({ kind: "once", at: dueAt.toISOString() });
  await createTask(store, { namespaceId, input, now: new Date() });
  const [staged] = await stageDueTasks(store, new Date(), dueAt, 1);
  const { queuedAt, scheduledFor } = (await findRun(store, namespaceId, staged!.runId))!;
  assert.deepEqual(scheduledFor, dueAt);
  assert.ok(queuedAt! < scheduledFor);
});

for (const skewMs of [-7 * MINUTE_MS, 0, 7 * MINUTE_MS]) {
  describe(`a clock that is ${skewMs / MINUTE_MS} minutes off`, () => {
    test("of a worker that served a short call", async () => {
      const { workerId, ended, read } = await openDirect(skewMs);
      await recordDirectRuns(store, workerId, [ended]);
      const run = await read();
      assertInOrder(run);
      await assertLinesWithin(run);
      const [{ startedAt, finishedAt }] = run.attempts as [Run["attempts"][number]];
      assert.equal(Date.parse(finishedAt) - Date.parse(startedAt!), TOOK_MS);
      assert.ok(Math.abs(run.finishedAt!.getTime() - Date.now()) < MINUTE_MS);
    });

    test("of a worker that served a call long enough to be shown", async () => {
      const { workerId, run: shown, ended, read } = await openDirect(skewMs);
      await showDirectRun(store, workerId, shown);
      assertInOrder(await read());
      await finishAttempts(store, workerId, [ended]);
      const run = await read();
      assertInOrder(run);
      await assertLinesWithin(run);
    });

    test("of an API that gave a call up, shown or not", async () => {
      for (const isShown of [false, true]) {
        const { workerId, run: shown, ended, read } = await openDirect(skewMs);
        if (isShown) await showDirectRun(store, workerId, shown);
        const error = { code: "worker_lost", message: "lost" };
        await endLostCall(store, workerId, {
          ...ended,
          ...{ verdict: { state: "failed", error }, record: { ...ended.record, error } },
        });
        assertInOrder(await read());
      }
    });

    test("of a scheduler that rescued runs", async () => {
      await deployFunction(db, namespaceId, "called");
      const workerId = await makeWorker(db);
      const runId = await queueInvocation(store, namespaceId, "called");
      await claim(store, workerId, runId);
      const task = await startRun(store, namespaceId, workerId);
      await removeWorker(db, workerId);
      await rescueLostRuns(store, new Date(Date.now() + skewMs), ANY_TIME, 100);
      for (const id of [runId, task.id]) {
        const run = (await findRun(store, namespaceId, id))!;
        assert.equal(run.attempts.length, 1);
        assertInOrder({ ...run, startedAt: run.startedAt ?? run.queuedAt });
      }
    });
  });
}

test("a worker that claimed a run tells its times by the clock of the row", async () => {
  const workerId = await makeWorker(db);
  for (const state of ["succeeded", "scheduled"] as const) {
    const claimed = await startRun(store, namespaceId, workerId);
    const verdict = state === "scheduled" ? retryAfter(0) : { state, result: null };
    const attempt = finished(claimed, workerId, verdict, [line("x")]);
    await finishAttempts(store, workerId, [attempt]);
    const run = (await findRun(store, namespaceId, claimed.id))!;
    assert.deepEqual(run.attempts, [attempt.record]);
    assertInOrder({ ...run, startedAt: run.startedAt ?? run.queuedAt });
  }
});
