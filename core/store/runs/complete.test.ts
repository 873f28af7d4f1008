/** Runs that whoever was sent their request completes: exact whatever comes first, and by one end like all others. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { DEFAULT_POLICY } from "../../contracts/task-policy.ts";
import { failed, succeeded } from "../../domain/attempt.ts";
import { readDemand } from "../demand.ts";
import { recountPermits } from "../limits/recount-permits.ts";
import { listRunLogs } from "../logs.ts";
import { readStats } from "../stats.ts";
import {
  ANY_TIME,
  claim,
  deferred,
  finished,
  type GivenTask,
  line,
  makeWorker,
  queueRun,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { removeWorker } from "../workers.ts";
import { cancelRuns } from "./cancel.ts";
import { type ClaimedRun, claimDueRuns } from "./claim.ts";
import { completeAttempt, endOverdueAttempts, extendAttempt, findOpenAttempt } from "./complete.ts";
import { finishAttempts } from "./finish.ts";
import { queueDueRetries } from "./queue-retries.ts";
import { findRun, listRuns } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const inOneHour = () => new Date(Date.now() + 3_600_000);
const attemptOf = ({ id: runId, claimNo }: ClaimedRun) => ({ runId, claimNo });
const complete = (run: ClaimedRun, end = succeeded({ rows: 42 }) as ReturnType<typeof failed>) =>
  completeAttempt(store, attemptOf(run), async () => end);
const retryable = failed("reported_failure", "not yet", { retryable: true });
const endOverdue = () => endOverdueAttempts(store, ANY_TIME, 100);

interface Began {
  namespaceId: string;
  workerId: string;
  run: ClaimedRun;
}

async function begin(given: GivenTask = {}): Promise<Began> {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  return {
    namespaceId,
    workerId,
    run: await claim(store, workerId, await queueRun(store, namespaceId, given)),
  };
}

const defer = async ({ workerId, run }: Began, completeBy = inOneHour()) =>
  await finishAttempts(store, workerId, [deferred(run, workerId, completeBy, [line("put off")])]);

const find = async ({ namespaceId, run }: Began) => (await findRun(store, namespaceId, run.id))!;

test("a deferred run is shown as running, until when it waits, and no worker, claim, rescue or scaler sees it", async () => {
  const began = await begin();
  const completeBy = inOneHour();
  const report = await defer(began, completeBy);
  assert.deepEqual([report.recorded.size, report.ended], [1, []]);
  const shown = await find(began);
  assert.deepEqual([shown.state, shown.completeBy, shown.attempts], ["running", completeBy, []]);
  assert.equal(shown.workerId, began.workerId);
  const [logged] = await listRunLogs(store.db, began.run.id, 10, undefined, {});
  assert.equal(logged?.message, "put off");

  await removeWorker(db, began.workerId);
  assert.deepEqual(await rescueLostRuns(store, new Date(), ANY_TIME, 100), []);
  assert.deepEqual((await claimDueRuns(store, await makeWorker(db), 10, 0)).runs, []);
  assert.deepEqual(await endOverdue(), []);
  const { runningRuns, dueRuns } = await readDemand(store, 0);
  assert.deepEqual([runningRuns, dueRuns], [0, 0]);
  const stats = await readStats(store);
  assert.deepEqual([stats.openRuns, stats.deferredRuns], [[{ type: "http", state: "running", count: 1 }], 1]);
  for (const filter of [
    { state: ["running" as const] },
    { state: ["running" as const], taskId: began.run.taskId! },
    {},
  ]) {
    const { rows } = await listRuns(store, began.namespaceId, filter, { limit: 10, order: "desc" });
    assert.deepEqual(
      rows.map(({ id }) => id),
      [began.run.id],
    );
  }
  const { rows } = await listRuns(
    store,
    began.namespaceId,
    { state: ["queued"] },
    { limit: 10, order: "desc" },
  );
  assert.deepEqual(rows, []);
});

test("its completion ends it once, with the attempt on record", async () => {
  const began = await begin();
  await defer(began);
  assert.deepEqual(await findOpenAttempt(store, attemptOf(began.run)), { namespaceId: began.namespaceId });
  const ended = await complete(began.run);
  assert.ok(ended);
  assert.deepEqual([ended.state, ended.cause, ended.runId], ["succeeded", "completion", began.run.id]);
  const run = await find(began);
  assert.deepEqual([run.state, run.result, run.completeBy], ["succeeded", { rows: 42 }, null]);
  const [record, ...others] = run.attempts;
  assert.deepEqual([record?.attempt, record?.workerId, record?.error, others], [1, began.workerId, null, []]);
  assert.ok(Date.parse(record!.finishedAt) >= Date.parse(record!.startedAt!));
  assert.ok(Date.parse(record!.finishedAt) <= run.finishedAt!.getTime());
  assert.equal(await complete(began.run), undefined);
  assert.equal(await extendAttempt(store, attemptOf(began.run)), undefined);
  assert.equal(await findOpenAttempt(store, attemptOf(began.run)), undefined);
});

test("a failure is retried by the task's policy, and the token of the attempt before is worth nothing", async () => {
  const began = await begin({
    retry: { maxAttempts: 2, backoff: { initialMs: 0, factor: 1, maxMs: 0, jitter: false } },
  });
  await defer(began);
  assert.equal((await complete(began.run, retryable))?.state, "scheduled");
  const waiting = await find(began);
  assert.deepEqual([waiting.attempt, waiting.attempts.length, waiting.completeBy], [2, 1, null]);
  assert.equal(await complete(began.run), undefined);
  await queueDueRetries(store, new Date(Date.now() + 1_000), 100);
  const second = await claim(store, began.workerId, began.run.id);
  assert.equal(await complete(began.run), undefined);
  await defer({ ...began, run: second });
  assert.equal(await complete(began.run), undefined);
  const ended = await complete(second, failed("reported_failure", "no", { retryable: true }));
  assert.deepEqual([ended?.state, ended?.error?.code], ["dead", "reported_failure"]);
});

test("what comes before the worker has recorded the answer counts, and the worker's record is dropped", async () => {
  const began = await begin();
  assert.equal((await complete(began.run))?.state, "succeeded");
  const report = await defer(began);
  assert.deepEqual([report.recorded.size, report.ended], [0, []]);
  assert.deepEqual((await find(began)).result, { rows: 42 });
});

test("where both come at once the second waits for the first, and neither is lost", async () => {
  for (const first of ["completion", "record"] as const) {
    const began = await begin();
    const client = await store.pool.connect();
    await client.query("BEGIN");
    await client.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE", [began.run.id]);
    const one = first === "completion" ? complete(began.run) : defer(began);
    await untilBlocked(store, 1);
    const other = first === "completion" ? defer(began) : complete(began.run);
    await untilBlocked(store, 2);
    await client.query("COMMIT");
    client.release();
    await Promise.all([one, other]);
    const run = await find(began);
    assert.deepEqual([run.state, run.attempts.length], ["succeeded", 1], first);
  }
});

test("of several completions at once one is taken", async () => {
  const began = await begin();
  await defer(began);
  const all = await Promise.all(Array.from({ length: 8 }, () => complete(began.run)));
  assert.equal(all.filter((ended) => ended !== undefined).length, 1);
});

test("a heartbeat begins the wait anew, up to the deadline; before the wait it changes nothing", async () => {
  const began = await begin({ timeoutMs: 60_000, deadlineMs: 90_000 });
  assert.deepEqual(await extendAttempt(store, attemptOf(began.run)), { completeBy: null });
  await defer(began, new Date(Date.now() + 1_000));
  const { completeBy } = (await extendAttempt(store, attemptOf(began.run)))!;
  const waitMs = completeBy!.getTime() - Date.now();
  assert.ok(waitMs > 30_000 && waitMs <= 60_000, `${waitMs}`);
  assert.deepEqual((await find(began)).completeBy, completeBy);
  await sql`UPDATE task_runs_open SET scheduled_for = scheduled_for - interval '80 seconds'`.execute(db);
  const { scheduledFor } = await find(began);
  const last = (await extendAttempt(store, attemptOf(began.run)))!;
  assert.deepEqual(last.completeBy, new Date(scheduledFor.getTime() + 90_000));
});

test("one that nobody completes in time fails: it is retried, or beyond its deadline given up", async () => {
  const past = new Date(Date.now() - 1_000);
  const timedOut = await begin({ timeoutMs: 60_000 });
  await defer(timedOut, past);
  const [ended, ...others] = await endOverdue();
  assert.deepEqual(
    [ended?.runId, ended?.state, ended?.cause, ended?.error?.code, others],
    [timedOut.run.id, "scheduled", "completion", "completion_timeout", []],
  );
  assert.equal(await complete(timedOut.run), undefined);

  const late = await begin({ deadlineMs: 1 });
  await defer(late, past);
  await sql`UPDATE task_runs_open SET scheduled_for = ${new Date(past.getTime() - 2_000)} WHERE id = ${late.run.id}`.execute(
    db,
  );
  const [over] = await endOverdue();
  assert.deepEqual([over?.state, over?.error?.code], ["dead", "deadline_exceeded"]);
});

test("nothing times out while contact with the database has just come back", async () => {
  const began = await begin();
  await defer(began, new Date(Date.now() - 1_000));
  assert.deepEqual(await endOverdueAttempts(store, { mayJudge: () => false }, 100), []);
  assert.equal((await find(began)).state, "running");
});

test("a cancel ends it at once, with its attempt on record", async () => {
  const began = await begin();
  await defer(began);
  const { ended, asked } = await cancelRuns(store, began.namespaceId, { runId: began.run.id });
  assert.deepEqual([ended.map(({ state }) => state), asked], [["cancelled"], []]);
  const run = await find(began);
  assert.deepEqual([run.state, run.attempts.length, run.attempts[0]?.error], ["cancelled", 1, null]);
  assert.equal(run.attempts[0]?.workerId, began.workerId);
  assert.equal(await complete(began.run), undefined);
});

test("a run that was asked to stop is not put off: it ends as cancelled", async () => {
  const began = await begin();
  await cancelRuns(store, began.namespaceId, { runId: began.run.id });
  const { ended, recorded } = await defer(began);
  assert.deepEqual([ended.map(({ state }) => state), recorded.size], [["cancelled"], 1]);
  assert.equal((await find(began)).state, "cancelled");
});

test("a batch holds attempts of every kind, and each becomes what it is", async () => {
  const [one, two, three] = [await begin(), await begin(), await begin()];
  const { workerId } = one;
  await sql`UPDATE task_runs_open SET worker_id = ${workerId}`.execute(db);
  const dead = finished(two.run, workerId, { state: "dead", error: SAMPLE_ERROR });
  const report = await finishAttempts(store, workerId, [
    deferred(one.run, workerId, inOneHour()),
    dead,
    finished(three.run, workerId, { state: "succeeded", result: 1 }),
  ]);
  assert.equal(report.recorded.size, 3);
  assert.deepEqual(report.ended.map(({ state }) => state).sort(), ["dead", "succeeded"]);
  assert.deepEqual(await Promise.all([one, two, three].map(async (began) => (await find(began)).state)), [
    "running",
    "dead",
    "succeeded",
  ]);
});

test("it keeps its permits while it waits, and gives them back at each of its ends", async () => {
  for (const end of ["complete", "time out", "cancel", "retry"] as const) {
    const began = await begin({ retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 } });
    const key = `queue:${began.run.id}`;
    await sql`INSERT INTO run_limits (key, namespace_id, concurrency, permits_held)
      VALUES (${key}, ${began.namespaceId}, 1, 1)`.execute(db);
    await sql`UPDATE task_runs_open SET limit_keys = ARRAY[${key}], permits = ARRAY[${key}]
      WHERE id = ${began.run.id}`.execute(db);
    await defer(began, end === "time out" ? new Date(Date.now() - 1) : inOneHour());
    assert.deepEqual(await recountPermits(store), [], "held while it waits");
    if (end === "complete") await complete(began.run);
    else if (end === "retry") await complete(began.run, retryable);
    else if (end === "time out") await endOverdue();
    else await cancelRuns(store, began.namespaceId, { runId: began.run.id });
    const { rows } = await sql<{
      held: number;
    }>`SELECT permits_held AS held FROM run_limits WHERE key = ${key}`.execute(db);
    assert.equal(rows[0]?.held, 0, end);
  }
});
