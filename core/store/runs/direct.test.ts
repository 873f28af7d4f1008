import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import { findFunction } from "../functions/functions.ts";
import { newId } from "../ids.ts";
import { deployFunction, line, makeWorker, queueInvocation } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimRuns } from "./claim.ts";
import {
  type DirectRun,
  type FinishedDirectRun,
  recordDirectRuns,
  recordMissingRuns,
  reserveDirectRun,
  showDirectRun,
} from "./direct.ts";
import { finishAttempts } from "./finish.ts";
import { findRun } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
beforeEach(clear);

async function openFunction(limits: AskedLimits = {}) {
  await deployFunction(db, namespaceId, "called", limits);
  const fn = (await findFunction(db, namespaceId, "called"))!;
  const workerId = await makeWorker(db);
  const run = (given: Partial<DirectRun> = {}): DirectRun => ({
    ...{ id: newId(), namespaceId, functionId: fn.id, revisionId: fn.revision.id },
    ...{
      trigger: "http",
      input: { request: { method: "GET", url: "http://a/" } },
      timeoutMs: 1_000,
      ageMs: 20,
    },
    ...given,
  });
  return { fn, workerId, run };
}

function ended(run: DirectRun, workerId: string, given: Partial<FinishedDirectRun> = {}): FinishedDirectRun {
  const at = new Date().toISOString();
  return {
    ...{ runId: run.id, claimNo: 1, namespaceId, taskId: null, type: "function" },
    ...{ functionId: run.functionId, revisionId: run.revisionId, trigger: run.trigger, input: run.input },
    ...{ timeoutMs: run.timeoutMs, durationMs: 40, logs: [] },
    verdict: { state: "succeeded", result: { status: 200, bodyBytes: 2 } },
    record: { attempt: 1, workerId, startedAt: at, finishedAt: at, error: null },
    ...given,
  };
}

test("runs that ended unseen are written by one statement, with their logs and their times", async () => {
  const { workerId, run } = await openFunction();
  const [first, second] = [run(), run({ trigger: "invoke", input: { a: 1 } })];
  const error = { code: "function_error", message: "boom" };
  const report = await recordDirectRuns(
    store,
    workerId,
    [
      ended(first, workerId, { logs: [line("one"), line("two")] }),
      ended(second, workerId, { verdict: { state: "failed", error } }),
    ],
    { isAgain: false },
  );
  assert.deepEqual(report.recorded, new Set([first.id, second.id]));
  const [one, two] = await Promise.all([
    findRun(store, namespaceId, first.id),
    findRun(store, namespaceId, second.id),
  ]);
  assert.equal(one!.state, "succeeded");
  assert.equal(one!.trigger, "http");
  assert.equal(one!.workerId, workerId);
  assert.equal(Math.round(one!.finishedAt!.getTime() - one!.startedAt!.getTime()), 40);
  assert.equal(two!.state, "failed");
  assert.deepEqual(two!.error, error);
  const { rows } = await sql<{ message: string }>`
    SELECT message FROM task_logs WHERE run_id = ${first.id} ORDER BY id`.execute(db);
  assert.deepEqual(
    rows.map(({ message }) => message),
    ["one", "two"],
  );
});

test("what may have been written already is not written again, and counts as recorded", async () => {
  const { workerId, run } = await openFunction();
  const known = ended(run(), workerId, { logs: [line("once")] });
  await recordDirectRuns(store, workerId, [known], { isAgain: false });
  const late = ended(run(), workerId);
  const report = await recordDirectRuns(store, workerId, [known, late], { isAgain: true });
  assert.deepEqual(report.recorded, new Set([known.runId, late.runId]));
  assert.deepEqual(await recordMissingRuns(store, workerId, [known, late]), []);
  const { rows } = await sql<{ runs: number; lines: number }>`SELECT
    (SELECT count(*)::int FROM task_runs) AS runs, (SELECT count(*)::int FROM task_logs) AS lines`.execute(
    db,
  );
  assert.deepEqual(rows[0], { runs: 2, lines: 1 });
});

test("a run that was shown is running, can be finished like any other, and is rescued with its worker", async () => {
  const { workerId, run, fn } = await openFunction();
  const [mine, lost] = [run(), run()];
  for (const shown of [mine, lost]) await showDirectRun(store, workerId, shown);
  assert.equal((await findRun(store, namespaceId, mine.id))?.state, "running");
  const { recorded } = await finishAttempts(store, workerId, [ended(mine, workerId)]);
  assert.deepEqual(recorded, new Set([mine.id]));
  assert.equal((await findRun(store, namespaceId, mine.id))?.revisionId, fn.revision.id);
  await sql`UPDATE workers SET lease_until = now() - interval '1 hour' WHERE id = ${workerId}`.execute(db);
  const [rescue] = await rescueLostRuns(db, new Date(), 0, 10);
  assert.equal(rescue?.runId, lost.id);
  const found = await findRun(store, namespaceId, lost.id);
  assert.equal(found?.state, "failed");
  assert.equal(found?.error?.code, "worker_lost");
});

test("room is reserved while the function has some and nobody waits for it", async () => {
  const { workerId, run, fn } = await openFunction({ concurrency: 2 });
  const [first, second, third] = [run(), run(), run()];
  assert.equal(await reserveDirectRun(store, workerId, first), true);
  assert.equal(await reserveDirectRun(store, workerId, second), true);
  assert.equal(await reserveDirectRun(store, workerId, third), false);
  assert.equal(await findRun(store, namespaceId, third.id), undefined);
  const waiting = await queueInvocation(store, namespaceId, fn.name);
  assert.deepEqual(await claimRuns(store, workerId, [waiting]), []);
  await finishAttempts(store, workerId, [ended(first, workerId)]);
  assert.equal(await reserveDirectRun(store, workerId, third), false, "an older run waits for the room");
  const free = await openFunction();
  assert.equal(await reserveDirectRun(store, workerId, free.run()), true, "no limit any more");
});
