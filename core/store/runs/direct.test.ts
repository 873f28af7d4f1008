import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { v7 } from "uuid";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { Json } from "../../json.ts";
import { JsonSource } from "../../json-source.ts";
import { findFunction } from "../functions/functions.ts";
import { newId } from "../ids.ts";
import { ANY_TIME, deployFunction, line, makeWorker, queueInvocation } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { cancelRuns } from "./cancel.ts";
import { claimRuns } from "./claim.ts";
import {
  type DirectRun,
  type FinishedDirectRun,
  recordDirectRuns,
  removeExpiredFences,
  reserveDirectRun,
  showDirectRun,
} from "./direct.ts";
import { findReplayable } from "./find-replayable.ts";
import { finishAttempts } from "./finish.ts";
import { endLostCall, endLostRun } from "./lost-call.ts";
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
    ...{
      functionId: run.functionId,
      functionName: "called",
      revisionId: run.revisionId,
      trigger: run.trigger,
      input: run.input,
    },
    ...{ timeoutMs: run.timeoutMs, durationMs: 40, hasOwnClock: true, logs: [] },
    ...{ holdsPermits: false, hasCallbacks: false },
    verdict: { state: "succeeded", result: { status: 200, bodyBytes: 2 } },
    record: { attempt: 1, workerId, startedAt: at, finishedAt: at, error: null },
    ...given,
  };
}

test("runs that ended unseen keep their inputs, long ones and short ones side by side", async () => {
  const { workerId, run } = await openFunction();
  const long = (name: string) => ({ name, text: 'a "quote", a \\ and ä'.repeat(100), numbers: [1.5, 1e30] });
  const asSource = (value: Json) => new JsonSource(JSON.stringify(value));
  const inputs = [
    asSource(long("first")),
    asSource({ short: 1 }),
    null,
    long("parsed"),
    asSource(long("last")),
  ];
  const runs = inputs.map((input) => run({ trigger: "invoke", input }));
  await recordDirectRuns(
    store,
    workerId,
    runs.map((each) => ended(each, workerId)),
  );
  const kept = await Promise.all(runs.map(({ id }) => findReplayable(store, namespaceId, id)));
  assert.deepEqual(
    kept.map((each) => each?.input),
    [long("first"), { short: 1 }, null, long("parsed"), long("last")],
  );
});

test("a long input loses what the database refuses of a text", async () => {
  const { workerId, run } = await openFunction();
  const input = new JsonSource(`["${"a".repeat(1_000)}","\\u0000 and \\ud800"]`);
  const each = run({ trigger: "invoke", input });
  await recordDirectRuns(store, workerId, [ended(each, workerId)]);
  const kept = await findReplayable(store, namespaceId, each.id);
  assert.deepEqual(kept?.input, ["a".repeat(1_000), "\ufffd and \ufffd"]);
});

test("runs that ended unseen are written by one statement, with their logs and their times", async () => {
  const { workerId, run } = await openFunction();
  const [first, second] = [run(), run({ trigger: "invoke", input: { a: 1 } })];
  const error = { code: "function_error", message: "boom" };
  const runs = [
    ended(first, workerId, { logs: [line("one"), line("two")] }),
    ended(second, workerId, { verdict: { state: "failed", error } }),
  ];
  const report = await recordDirectRuns(store, workerId, runs);
  assert.deepEqual(report.recorded, new Set(runs));
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

async function countRows() {
  const { rows } = await sql<{ runs: number; lines: number }>`SELECT
    (SELECT count(*)::int FROM task_runs) AS runs, (SELECT count(*)::int FROM task_logs) AS lines`.execute(
    db,
  );
  return rows[0];
}

test("what a write of this worker brought already is not written again, and counts as recorded", async () => {
  const { workerId, run } = await openFunction();
  const known = ended(run(), workerId, { logs: [line("once")] });
  await recordDirectRuns(store, workerId, [known]);
  const late = ended(run(), workerId);
  const report = await recordDirectRuns(store, workerId, [known, late]);
  assert.deepEqual(report.recorded, new Set([known, late]));
  assert.deepEqual(await countRows(), { runs: 2, lines: 1 });
});

test("one whose showing was committed though nobody heard of it is ended as it was shown", async () => {
  const { workerId, run } = await openFunction();
  const shown = run();
  assert.equal(await showDirectRun(store, workerId, shown), true);
  assert.equal(await showDirectRun(store, workerId, shown), true, "asked again it is this worker's");
  const end = ended(shown, workerId, { logs: [line("once")] });
  assert.deepEqual((await recordDirectRuns(store, workerId, [end])).recorded, new Set([end]));
  assert.equal((await findRun(store, namespaceId, shown.id))?.state, "succeeded");
  assert.deepEqual(await countRows(), { runs: 1, lines: 1 });
});

test("what a replay needs of a call that failed is written with it: the tag, and what it was given", async () => {
  const { workerId, run, fn } = await openFunction();
  const target = { tag: "stable" };
  const [unseen, shown] = [run({ trigger: "invoke", target, input: "given" }), run({ target })];
  const error = { code: "function_error", message: "boom" };
  const failed = ended(unseen, workerId, {
    ...{ verdict: { state: "failed", error }, target, input: "[redacted]", originalInput: "given" },
  });
  await recordDirectRuns(store, workerId, [failed]);
  await showDirectRun(store, workerId, shown);
  await finishAttempts(store, workerId, [ended(shown, workerId)]);
  const facts = await findReplayable(store, namespaceId, unseen.id);
  assert.deepEqual(
    [facts?.target, facts?.input, facts?.originalInput, facts?.revisionId],
    [target, "[redacted]", "given", fn.revision.id],
  );
  assert.deepEqual((await findReplayable(store, namespaceId, shown.id))?.target, target);
});

describe("a call that its API gave up", () => {
  const error = { code: "worker_lost", message: "gone" };
  const lost = (given: DirectRun, workerId: string) =>
    ended(given, workerId, {
      verdict: { state: "failed", error },
      record: { attempt: 1, workerId, startedAt: null, finishedAt: new Date().toISOString(), error },
    });

  test("is ended by the API, and what its worker makes of it is dropped, by every way", async () => {
    const { workerId, run, fn } = await openFunction();
    const given = run();
    const { run: told } = await endLostCall(store, workerId, lost(given, workerId));
    assert.deepEqual([told?.state, told?.error?.code], ["failed", "worker_lost"]);
    assert.equal(await showDirectRun(store, workerId, given), false);
    assert.equal(await reserveDirectRun(store, workerId, given), "given_up");
    const late = ended(given, workerId, { logs: [line("late")] });
    assert.equal((await recordDirectRuns(store, workerId, [late])).recorded.size, 0);
    assert.equal((await finishAttempts(store, workerId, [late])).recorded.size, 0);
    assert.deepEqual(await countRows(), { runs: 1, lines: 0 });
    assert.equal(fn.name, "called");
  });

  test("is told as its worker recorded it, where it had ended", async () => {
    const { workerId, run } = await openFunction();
    const given = run();
    await recordDirectRuns(store, workerId, [ended(given, workerId)]);
    const { run: told } = await endLostCall(store, workerId, lost(given, workerId));
    assert.equal(told?.state, "succeeded");
    assert.deepEqual(await countRows(), { runs: 1, lines: 0 });
  });

  test("ends as lost where it was shown, as cancelled where that was asked for", async () => {
    const { workerId, run } = await openFunction();
    const [running, cancelled] = [run(), run()];
    for (const given of [running, cancelled]) await showDirectRun(store, workerId, given);
    await cancelRuns(store, namespaceId, { runId: cancelled.id });
    const { run: told, ended: ends } = await endLostCall(store, workerId, lost(running, workerId));
    assert.deepEqual(
      ends.map(({ cause, trigger, functionName }) => [cause, trigger, functionName]),
      [["lost_call", "http", "called"]],
    );
    assert.deepEqual([told?.state, told?.error?.code, told?.attempts.length], ["failed", "worker_lost", 1]);
    assert.equal((await endLostCall(store, workerId, lost(cancelled, workerId))).run?.state, "cancelled");
    const late = ended(running, workerId);
    assert.equal((await finishAttempts(store, workerId, [late])).recorded.size, 0);
    assert.equal((await recordDirectRuns(store, workerId, [late])).recorded.size, 0, "another ended it");
    assert.equal((await findRun(store, namespaceId, running.id))?.state, "failed");
    assert.deepEqual(await countRows(), { runs: 2, lines: 0 });
  });

  test("that meets a cancel waits for it, and the other way round: both hear the same", async () => {
    const { workerId, run } = await openFunction();
    const [cancelled, failed] = [run(), run()];
    for (const given of [cancelled, failed]) await showDirectRun(store, workerId, given);
    const { losing } = await inTransaction(store.pool, async (tx) => {
      await cancelRuns(tx, namespaceId, { runId: cancelled.id });
      const losing = endLostCall(store, workerId, lost(cancelled, workerId));
      await untilBlocked(store);
      return { losing };
    });
    const { run: told, ended: ends } = await losing;
    assert.deepEqual([told?.state, ends.map(({ state }) => state)], ["cancelled", ["cancelled"]]);
    const { cancelling } = await inTransaction(store.pool, async (tx) => {
      await endLostRun(tx, workerId, {
        ...{ id: failed.id, claimNo: 1, attempt: 1, startedAt: new Date() },
      });
      const cancelling = cancelRuns(store, namespaceId, { runId: failed.id });
      await untilBlocked(store);
      return { cancelling };
    });
    assert.deepEqual(await cancelling, { ended: [], asked: [] });
    assert.equal((await findRun(store, namespaceId, failed.id))?.state, "failed");
  });

  test("and that is cancelled at once has one final row, which both agree with", async () => {
    const { workerId, run } = await openFunction();
    const runs = Array.from({ length: 40 }, () => run());
    for (const given of runs) await showDirectRun(store, workerId, given);
    const [losses, cancels] = await Promise.all([
      Promise.all(runs.map((given) => endLostCall(store, workerId, lost(given, workerId)))),
      Promise.all(runs.map(({ id }) => cancelRuns(store, namespaceId, { runId: id }))),
    ]);
    for (const [index, { run: told, ended: ends }] of losses.entries()) {
      const expected = cancels[index]!.asked.length > 0 ? "cancelled" : "failed";
      assert.deepEqual([told?.state, ends.map(({ state }) => state)], [expected, [expected]]);
    }
    assert.deepEqual(await countRows(), { runs: 40, lines: 0 });
  });

  test("has one final row, whoever of all who write it at once comes first", async () => {
    const { workerId, run } = await openFunction();
    const runs = Array.from({ length: 40 }, () => run());
    const late = runs.map((given) => ended(given, workerId, { logs: [line("late")] }));
    await Promise.all([
      ...runs.map((given) => endLostCall(store, workerId, lost(given, workerId))),
      ...runs.filter((_, index) => index % 2 === 0).map((given) => showDirectRun(store, workerId, given)),
      recordDirectRuns(store, workerId, late),
      finishAttempts(store, workerId, late),
    ]);
    // What was shown after it had been looked for is still this worker's to end.
    await finishAttempts(store, workerId, late);
    const { rows } = await sql<{ rows: number; runs: number }>`
      SELECT count(*)::int AS rows, count(DISTINCT id)::int AS runs FROM task_runs`.execute(db);
    assert.deepEqual(rows[0], { rows: 40, runs: 40 });
  });
});

test("fences are kept for a day; who comes later than half of one writes nothing", async () => {
  const { workerId, run } = await openFunction();
  const idOf = (hoursAgo: number) => v7({ msecs: Date.now() - hoursAgo * 3_600_000 });
  const [old, late, young] = [run({ id: idOf(25) }), run({ id: idOf(13) }), run({ id: idOf(11) })];
  const recorded = await recordDirectRuns(
    store,
    workerId,
    [old, late, young].map((given) => ended(given, workerId)),
  );
  assert.deepEqual(
    [...recorded.recorded].map(({ runId }) => runId),
    [young.id],
  );
  for (const given of [old, late]) await showDirectRun(store, workerId, given);
  assert.equal(await removeExpiredFences(store, 10), 1);
  const { rows } = await sql<{ id: string }>`SELECT run_id AS id FROM run_fences ORDER BY 1`.execute(db);
  assert.ok(rows.some(({ id }) => id === late.id) && !rows.some(({ id }) => id === old.id));
});

test("a run that was shown is running, can be finished like any other, and is rescued with its worker", async () => {
  const { workerId, run, fn } = await openFunction();
  const [mine, lost] = [run(), run()];
  for (const shown of [mine, lost]) await showDirectRun(store, workerId, shown);
  assert.equal((await findRun(store, namespaceId, mine.id))?.state, "running");
  const { recorded } = await finishAttempts(store, workerId, [ended(mine, workerId)]);
  assert.equal(recorded.size, 1);
  assert.equal((await findRun(store, namespaceId, mine.id))?.revisionId, fn.revision.id);
  await sql`UPDATE workers SET lease_until = now() - interval '1 hour' WHERE id = ${workerId}`.execute(db);
  const [rescue] = await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  assert.equal(rescue?.runId, lost.id);
  const found = await findRun(store, namespaceId, lost.id);
  assert.equal(found?.state, "failed");
  assert.equal(found?.error?.code, "worker_lost");
});

test("a permit is reserved while the function has one left and nobody waits for it", async () => {
  const { workerId, run, fn } = await openFunction({ concurrency: 2 });
  const [first, second, third] = [run(), run(), run()];
  assert.equal(await reserveDirectRun(store, workerId, first), "reserved");
  assert.equal(await reserveDirectRun(store, workerId, second), "reserved");
  assert.equal(await reserveDirectRun(store, workerId, third), "no_permit");
  assert.equal(await findRun(store, namespaceId, third.id), undefined);
  const waiting = await queueInvocation(store, namespaceId, fn.name);
  assert.deepEqual(await claimRuns(store, workerId, [waiting]), []);
  await finishAttempts(store, workerId, [ended(first, workerId)]);
  assert.equal(await reserveDirectRun(store, workerId, third), "no_permit", "an older run waits for it");
  const free = await openFunction();
  assert.equal(await reserveDirectRun(store, workerId, free.run()), "reserved", "no limit any more");
});
