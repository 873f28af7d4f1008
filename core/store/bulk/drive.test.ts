import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../../config/function-caps.ts";
import { readSettings } from "../../config/settings.ts";
import type { BulkInput } from "../../contracts/bulk.ts";
import { type BulkAction, type BulkResource, MAX_KEPT_FAILURES } from "../../domain/bulk.ts";
import { ADVISORY_LOCKS } from "../advisory-locks.ts";
import type { Store } from "../database.ts";
import { newId } from "../ids.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun, listRuns } from "../runs/read.ts";
import { createTask } from "../tasks/create.ts";
import { findTask, listTasks } from "../tasks/read.ts";
import {
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  SAMPLE_ERROR,
  startRun,
} from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { abortBulk, createBulk, findBulk, MAX_RUNNING, removeExpiredBulks } from "./bulk-actions.ts";
import { driveBulkBatch } from "./drive.ts";
import { countMatches } from "./find-matches.ts";
import { MAX_RUNS } from "./take-within-runs.ts";
import type { DrivenBatch } from "./taken.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
const clock = createManualClock(new Date());
const options = { clock, functionCaps };

describe("bulk actions", () => {
  let namespaceId: string;

  beforeEach(async () => {
    await clear();
    await store.pool.query("DELETE FROM bulk_actions");
    namespaceId = await newNamespace();
  });

  async function ask(action: BulkAction, resource: BulkResource, filter: object, id = newId()) {
    const facts = { id, namespaceId, action, resource, filter, traceparent: undefined };
    return (await inTransaction(store.pool, (tx) => createBulk(tx, facts))).id;
  }

  /** A batch that is due; others may rest. */
  async function drive(on: Store = store): Promise<DrivenBatch> {
    const driven = await driveBulkBatch(on, options);
    assert.ok(driven.kind === "batch", driven.kind);
    return driven.batch;
  }

  async function driveAll(): Promise<DrivenBatch[]> {
    const batches: DrivenBatch[] = [];
    for (;;) {
      const driven = await driveBulkBatch(store, options);
      if (driven.kind !== "batch") return batches;
      batches.push(driven.batch);
    }
  }

  /** The server gives up what a batch that failed had locked when it hears that its connection is closed. */
  async function untilNobodyDrives(): Promise<void> {
    const lock = "SELECT pg_advisory_xact_lock($1)";
    await inTransaction(store.pool, ({ pool }) => pool.query(lock, [ADVISORY_LOCKS.driveBulkActions]));
  }

  const told = async (id: string) => {
    const { state, done, failed } = (await findBulk(store, namespaceId, id))!;
    return [state, done, failed];
  };

  /** Queued runs of one task, made by one statement; their ids, oldest first. */
  async function queueRuns(count: number): Promise<string[]> {
    const first = await queueRun(store, namespaceId);
    const ids = [first, ...Array.from({ length: count - 1 }, newId)];
    await store.pool.query(
      `INSERT INTO task_runs SELECT made.* FROM task_runs_open r, unnest($2::uuid[]) AS other(id),
         jsonb_populate_record(r, jsonb_build_object('id', other.id)) AS made WHERE r.id = $1`,
      [first, ids.slice(1)],
    );
    return ids;
  }

  async function countRuns(state: string): Promise<number> {
    const { rows } = await store.pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM task_runs WHERE namespace_id = $1 AND state = $2",
      [namespaceId, state],
    );
    return rows[0]!.count;
  }

  const everyHour = async (labels: Record<string, string> = {}) => {
    const input = { ...httpTask({ kind: "every", everyMs: 3_600_000 }), labels };
    return (await createTask(store, { namespaceId, input, now: clock.now() })).task.id;
  };

  it("a cancel of many runs, batch by batch, with true counts after each", async () => {
    await queueRuns(1_200);
    const id = await ask("cancel", "runs", {});
    assert.deepEqual(await told(id), ["running", 0, 0]);
    for (const [done, state] of [
      [500, "running"],
      [1_000, "running"],
      [1_200, "succeeded"],
    ]) {
      const batch = await drive();
      assert.deepEqual([batch.done, batch.failed, batch.state], [done, 0, state]);
      assert.deepEqual(await told(id), [state, done, 0]);
      assert.equal(await countRuns("cancelled"), done);
    }
    assert.equal((await driveBulkBatch(store, options)).kind, "idle");
    assert.ok((await findBulk(store, namespaceId, id))!.finishedAt);
  });

  it("one that is aborted half way has done what it says, and does nothing more", async () => {
    await queueRuns(1_200);
    const id = await ask("cancel", "runs", {});
    await drive();
    const aborted = await abortBulk(store, namespaceId, id);
    assert.deepEqual([aborted?.state, aborted?.done, aborted?.failed], ["aborted", 500, 0]);
    assert.equal((await driveBulkBatch(store, options)).kind, "idle");
    assert.deepEqual([await countRuns("cancelled"), await countRuns("queued")], [500, 700]);
    assert.deepEqual(await abortBulk(store, namespaceId, id), aborted, "an abort may be repeated");
  });

  it("an abort that comes during a batch waits for it, and has its counts", async () => {
    const [runId] = await queueRuns(3);
    const id = await ask("cancel", "runs", {});
    const holder = await store.pool.connect();
    await holder.query("BEGIN");
    await holder.query("SET LOCAL idle_in_transaction_session_timeout TO 0");
    await holder.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE", [runId]);
    const driven = drive();
    await untilBlocked(store);
    const refused = assert.rejects(abortBulk(store, namespaceId, id), {
      code: "bulk_action_ended",
      status: 409,
    });
    await untilBlocked(store, 2);
    await holder.query("COMMIT");
    holder.release();
    assert.equal((await driven).state, "succeeded");
    await refused;
    assert.deepEqual(await told(id), ["succeeded", 3, 0]);
  });

  it("what a crash interrupts is neither done nor counted, and another driver goes on where the last one came to", async () => {
    await queueRuns(700);
    const id = await ask("cancel", "runs", {});
    await drive();
    const killed = Object.create(store.pool, {
      connect: {
        async value() {
          const client = await store.pool.connect();
          const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>;
          return Object.assign(Object.create(client), {
            async query(...given: unknown[]) {
              if (given[0] !== "COMMIT") return await query(...given);
              throw Object.assign(new Error("killed"), { code: "57P01" });
            },
            release: (broken?: boolean) => client.release(broken),
          });
        },
      },
    });
    await assert.rejects(driveBulkBatch({ ...store, pool: killed }, options), { message: "killed" });
    await untilNobodyDrives();
    assert.deepEqual(await told(id), ["running", 500, 0]);
    assert.equal(await countRuns("cancelled"), 500);
    assert.deepEqual((await driveAll()).at(-1)?.done, 700);
    assert.equal(await countRuns("cancelled"), 700);
  });

  it("of two drivers at once one has a batch and the other none; together they do each thing once", async () => {
    await queueRuns(1_200);
    const id = await ask("cancel", "runs", {});
    let batches = 0;
    while ((await told(id))[0] === "running") {
      const both = await Promise.all([driveBulkBatch(store, options), driveBulkBatch(store, options)]);
      batches += both.filter(({ kind }) => kind === "batch").length;
    }
    assert.equal(batches, 3);
    assert.deepEqual(await told(id), ["succeeded", 1_200, 0]);
    assert.equal(await countRuns("cancelled"), 1_200);
  });

  it("what is made after it was asked for is not met, its own replays neither", async () => {
    const [before] = await queueRuns(1);
    const workerId = await makeWorker(db);
    const run = await startRun(store, namespaceId, workerId);
    await finishAttempts(store, workerId, [
      finished(run, workerId, { state: "failed", error: SAMPLE_ERROR }),
    ]);
    const replay = await ask("replay", "runs", {});
    const cancel = await ask("cancel", "runs", {});
    const after = await queueRun(store, namespaceId);
    await driveAll();
    assert.deepEqual(await told(replay), ["succeeded", 1, 0]);
    assert.deepEqual(await told(cancel), ["succeeded", 1, 0]);
    assert.equal((await findRun(store, namespaceId, before!))?.state, "cancelled");
    assert.equal((await findRun(store, namespaceId, after))?.state, "queued");
    const { rows } = await listRuns(store, namespaceId, {}, { limit: 10 });
    assert.deepEqual(
      rows.filter(({ replayOf }) => replayOf !== null).map(({ replayOf, state }) => [replayOf, state]),
      [[run.id, "queued"]],
    );
  });

  it("a running run is asked to stop and its worker named; a waiting one ends, and its end is told", async () => {
    const running = await startRun(store, namespaceId, await makeWorker(db));
    const waiting = await queueRun(store, namespaceId);
    await ask("cancel", "runs", { taskId: running.taskId });
    await ask("cancel", "runs", { state: ["queued"] });
    const batches = await driveAll();
    assert.deepEqual(
      batches.flatMap(({ asked }) => asked),
      [running.id],
    );
    assert.deepEqual(
      batches.flatMap(({ ended }) => ended).map(({ runId, state, cause }) => [runId, state, cause]),
      [[waiting, "cancelled", "cancel"]],
    );
  });

  it("a run in a state that the action is not for fails with its reason, where the filter names that state", async () => {
    const workerId = await makeWorker(db);
    const run = await startRun(store, namespaceId, workerId);
    await finishAttempts(store, workerId, [finished(run, workerId, { state: "succeeded", result: 1 })]);
    for (const action of ["cancel", "redrive", "discard"] as const) {
      const implied = await ask(action, "runs", {});
      const named = await ask(action, "runs", { state: ["succeeded"] });
      await driveAll();
      assert.deepEqual(await told(implied), ["succeeded", 0, 0], action);
      assert.deepEqual(await told(named), ["succeeded", 0, 1], action);
      const [failure] = (await findBulk(store, namespaceId, named))!.failures;
      assert.equal(failure?.id, run.id);
      assert.equal(failure?.code, action === "cancel" ? "run_not_open" : "not_found");
    }
  });

  it("dead letters are redriven, those of a cancelled task not, and discarded", async () => {
    const workerId = await makeWorker(db);
    const dead = async () => {
      const run = await startRun(store, namespaceId, workerId);
      await finishAttempts(store, workerId, [
        finished(run, workerId, { state: "dead", error: SAMPLE_ERROR }),
      ]);
      return run;
    };
    const [kept, ofCancelled] = [await dead(), await dead()];
    await store.pool.query("UPDATE tasks SET state = 'cancelled', next_run_at = NULL WHERE id = $1", [
      ofCancelled.taskId,
    ]);
    const redrive = await ask("redrive", "runs", { errorCode: SAMPLE_ERROR.code });
    const [batch] = await driveAll();
    assert.deepEqual(
      batch?.staged.map(({ runId }) => runId),
      [kept.id],
    );
    assert.deepEqual(await told(redrive), ["succeeded", 1, 1]);
    assert.equal((await findRun(store, namespaceId, kept.id))?.state, "queued");
    const discard = await ask("discard", "runs", {});
    const [discarded] = await driveAll();
    assert.deepEqual(
      discarded?.ended.map(({ runId, state }) => [runId, state]),
      [[ofCancelled.id, "failed"]],
    );
    assert.deepEqual(await told(discard), ["succeeded", 1, 0]);
  });

  it("calls are replayed with what they were given; one whose function is gone fails", async () => {
    const originals: string[] = [];
    for (const name of ["greet", "gone"]) {
      await deployFunction(db, namespaceId, name);
      const runId = await queueInvocation(store, namespaceId, name, { input: { name } });
      originals.push(runId);
    }
    await ask("cancel", "runs", {});
    await driveAll();
    await store.pool.query(
      "UPDATE functions SET removed_at = now() WHERE namespace_id = $1 AND name = 'gone'",
      [namespaceId],
    );
    const id = await ask("replay", "runs", { state: ["cancelled"] });
    const [batch] = await driveAll();
    assert.deepEqual(await told(id), ["succeeded", 1, 1]);
    const { failures } = (await findBulk(store, namespaceId, id))!;
    assert.deepEqual(
      failures.map(({ id: runId, code }) => [runId, code]),
      [[originals[1], "function_removed"]],
    );
    const again = (await findRun(store, namespaceId, batch!.staged[0]!.runId))!;
    assert.deepEqual([again.replayOf, again.state, again.functionName], [originals[0], "queued", "greet"]);
  });

  it("tasks are paused, resumed, run, cancelled and deleted, by filter; what cannot be leaves them as they were", async () => {
    const [billing, other] = [await everyHour({ app: "billing" }), await everyHour({ app: "shop" })];
    const over = await everyHour({ app: "billing" });
    const ofBilling = { label: ["app=billing"] };
    const act = async (action: BulkAction, filter: object = ofBilling) => {
      const id = await ask(action, "tasks", filter);
      const batches = await driveAll();
      return { id, batch: batches[0]!, counts: (await told(id)).slice(1) };
    };
    const stateOf = async (id: string) => (await findTask(store, namespaceId, id))?.state;

    assert.deepEqual((await act("cancel", { ...ofBilling, q: "none" })).counts, [0, 0]);
    await store.pool.query("UPDATE tasks SET state = 'cancelled', next_run_at = NULL WHERE id = $1", [over]);

    const paused = await act("pause");
    assert.deepEqual(paused.counts, [1, 1]);
    assert.deepEqual((await findBulk(store, namespaceId, paused.id))!.failures, [
      { id: over, code: "task_cancelled", message: "A cancelled task cannot be paused." },
    ]);
    assert.deepEqual([await stateOf(billing), await stateOf(other)], ["paused", "active"]);
    const resumed = await act("resume", { state: ["paused"] });
    assert.deepEqual([resumed.counts, resumed.batch.reschedules], [[1, 0], true]);
    assert.equal(await stateOf(billing), "active");
    const run = await act("run");
    assert.deepEqual(run.counts, [1, 1]);
    const made = (await findRun(store, namespaceId, run.batch.staged[0]!.runId))!;
    assert.deepEqual([made.taskId, made.trigger], [billing, "manual"]);
    const cancelled = await act("cancel");
    assert.deepEqual(cancelled.counts, [2, 0], "cancelling twice is the same as once");
    assert.deepEqual(
      cancelled.batch.ended.map(({ runId }) => runId),
      [made.id],
    );
    assert.deepEqual((await act("delete")).counts, [2, 0]);
    const { rows: left } = await listTasks(store, namespaceId, {}, { limit: 10 });
    assert.deepEqual(
      left.map(({ id }) => id),
      [other],
    );
  });

  it("a batch of tasks ends where its time is up, and the next goes on", async () => {
    for (let made = 0; made < 3; made += 1) await everyHour();
    const id = await ask("run", "tasks", {});
    // At its begin, once the tasks are found, after the first, after the second, and at its end.
    const looks = [0, 3_000_000, 3_000_060, 3_000_120, 3_600_000];
    const begin = clock.now().getTime();
    const slow = { ...clock, now: () => new Date(begin + looks.shift()!) };
    const first = await driveBulkBatch(store, { clock: slow, functionCaps });
    assert.ok(first.kind === "batch");
    assert.deepEqual([first.batch.done, first.batch.state, first.restMs], [2, "running", 6 * 3_600_000]);
    await ask("pause", "tasks", {});
    const resting = await driveBulkBatch(store, options);
    assert.ok(
      resting.kind === "resting" && resting.restMs <= first.restMs,
      "all rest six times as long as that took",
    );
    await store.pool.query("UPDATE bulk_actions SET next_batch_at = now()");
    await driveAll();
    assert.deepEqual(await told(id), ["succeeded", 3, 0]);
  });

  it("a batch takes no more tasks than it may end runs with them, but one in any case", async () => {
    for (const count of [MAX_RUNS - 100, 100, 1, MAX_RUNS + 1, 1]) await queueRuns(count);
    const id = await ask("cancel", "tasks", {});
    for (const [done, ended] of [
      [2, MAX_RUNS],
      [3, 1],
      [4, MAX_RUNS + 1],
      [5, 1],
    ]) {
      const batch = await drive();
      assert.deepEqual([batch.done, batch.ended.length], [done, ended]);
      await store.pool.query("UPDATE bulk_actions SET next_batch_at = now()");
    }
    assert.deepEqual(await told(id), ["succeeded", 5, 0]);
  });

  it("one that cannot go on is tried again, later each time, keeps no other waiting, and fails at last", async () => {
    const broken = await ask("pause", "tasks", {});
    await store.pool.query(`UPDATE bulk_actions SET filter = '{"colour":"red"}' WHERE id = $1`, [broken]);
    for (let fault = 1; fault <= 5; fault += 1) {
      await assert.rejects(driveBulkBatch(store, options));
      await untilNobodyDrives();
      const other = await ask("pause", "tasks", {});
      if (fault < 5) await drive();
      else await driveAll();
      assert.deepEqual(await told(other), ["succeeded", 0, 0]);
      await store.pool.query("UPDATE bulk_actions SET next_batch_at = now()");
    }
    const failed = (await findBulk(store, namespaceId, broken))!;
    assert.deepEqual([failed.state, failed.error?.code], ["failed", "internal_error"]);
  });

  it("at most so many of a namespace run at once, also when they are asked for at once", async () => {
    const asking = Array.from({ length: MAX_RUNNING + 3 }, () => ask("pause", "tasks", {}));
    const answers = await Promise.allSettled(asking);
    const refused = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    assert.equal(refused.length, 3);
    for (const reason of refused)
      assert.deepEqual([reason.status, reason.code], [429, "too_many_bulk_actions"]);
    await driveAll();
    assert.equal(answers.length - refused.length, MAX_RUNNING);
    await ask("pause", "tasks", {});
  });

  it("nothing of another namespace is met, counted, read or aborted", async () => {
    const theirs = await newNamespace();
    const alien = await queueRun(store, theirs);
    const [own] = await queueRuns(1);
    const all: BulkInput = { action: "cancel", resource: "runs", filter: {}, dryRun: true };
    assert.equal(await countMatches(store, namespaceId, all, newId()), 1);
    const alienTask = (await findRun(store, theirs, alien))!.taskId!;
    const ofTask = await ask("cancel", "runs", { taskId: alienTask });
    const id = await ask("cancel", "runs", {});
    assert.equal(await findBulk(store, theirs, id), undefined);
    assert.equal(await abortBulk(store, theirs, id), undefined);
    await driveAll();
    assert.deepEqual(await told(ofTask), ["succeeded", 0, 0]);
    assert.deepEqual(await told(id), ["succeeded", 1, 0]);
    assert.equal((await findRun(store, namespaceId, own!))?.state, "cancelled");
    assert.equal((await findRun(store, theirs, alien))?.state, "queued");
  });

  it("a bulk action counts all that failed, and keeps the first of them", async () => {
    const runs = await queueRuns(3 * MAX_KEPT_FAILURES);
    const first = await ask("discard", "runs", { state: ["queued"] });
    const second = await ask("redrive", "runs", { state: ["queued"] });
    await driveAll();
    for (const id of [first, second]) {
      assert.deepEqual(await told(id), ["succeeded", 0, runs.length]);
      const { failures } = (await findBulk(store, namespaceId, id))!;
      assert.deepEqual(
        failures.map((failure) => failure.id),
        runs.slice(0, MAX_KEPT_FAILURES),
      );
    }
  });

  it("a count that takes too long is given up, and says what to do", async () => {
    const holder = await store.pool.connect();
    await holder.query("BEGIN");
    await holder.query("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE");
    const all: BulkInput = { action: "cancel", resource: "tasks", filter: {}, dryRun: true };
    await assert.rejects(countMatches(store, namespaceId, all, newId(), 20), {
      ...{ status: 422, code: "count_too_slow" },
      message: /^filter: .* longer than 10 s: narrow the filter/,
    });
    await holder.query("ROLLBACK");
    holder.release();
  });

  it("what ended before the retention is removed, and nothing that runs", async () => {
    const old = await ask("pause", "tasks", {});
    await driveAll();
    const [young, running] = [await ask("pause", "tasks", {}), newId()];
    await driveAll();
    await ask("pause", "tasks", {}, running);
    await store.pool.query("UPDATE bulk_actions SET finished_at = now() - interval '31 days' WHERE id = $1", [
      old,
    ]);
    assert.equal(await removeExpiredBulks(store, new Date(Date.now() - 30 * 86_400_000), 10), 1);
    assert.equal(await findBulk(store, namespaceId, old), undefined);
    assert.ok(await findBulk(store, namespaceId, young));
    assert.ok(await findBulk(store, namespaceId, running));
  });
});
