import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { GROUP_HOURS } from "../../domain/error-groups.ts";
import type { RunError } from "../../domain/run-errors.ts";
import { expired } from "../../domain/run-time-limits.ts";
import { newId } from "../ids.ts";
import { cancelRuns, discardDeadLetter } from "../runs/cancel.ts";
import type { ClaimedRun } from "../runs/claim.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { finishAttempts } from "../runs/finish.ts";
import {
  claim,
  deployFunction,
  finished,
  makeWorker,
  queueInvocation,
  queueRun,
  retryAfter,
  startRun,
} from "../testing/samples.ts";
import { openTestStore, untilEventsSettled } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { foldErrors } from "./fold-errors.ts";
import { listErrorGroups, MAX_GROUPS, MAX_ORIGINS, removeExpiredGroups, setErrorState } from "./groups.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const workerId = await makeWorker(db);
let namespaceId: string;
beforeEach(async () => {
  namespaceId = await newNamespace();
});

const finish = (runs: ClaimedRun[], verdict: Parameters<typeof finished>[2]) =>
  finishAttempts(
    store,
    workerId,
    runs.map((run) => finished(run, workerId, verdict)),
  );

async function failRun(message: string, state: "failed" | "dead" = "failed"): Promise<string> {
  const run = await startRun(store, namespaceId, workerId);
  await finish([run], { state, error: { code: "http_status", message } });
  return run.id;
}

/** Until all is counted. */
async function fold(limit = 1_000): Promise<void> {
  await untilEventsSettled(store);
  while ((await foldErrors(store, limit)) >= limit);
}

const list = (filter: Parameters<typeof listErrorGroups>[2] = {}) =>
  listErrorGroups(store, namespaceId, filter, MAX_GROUPS);

test("failed, dead and expired runs count, each once; others do not", async () => {
  const [failed, dead] = [await failRun("answered 500"), await failRun("answered 501", "dead")];
  const late = await startRun(store, namespaceId, workerId);
  await finish([late], { state: "expired", error: expired(1) });
  const retried = await startRun(store, namespaceId, workerId);
  await finish([retried], retryAfter(60_000));
  await cancelRuns(store, namespaceId, { runId: retried.id });
  await finish([await startRun(store, namespaceId, workerId)], { state: "cancelled" });
  await finish([await startRun(store, namespaceId, workerId)], { state: "succeeded", result: null });
  for (const _twice of [1, 2]) {
    await fold();
    const groups = await list();
    assert.deepEqual(
      groups.map(({ code, message, count, state }) => ({ code, message, count, state })),
      [
        { code: "expired", message: expired(1).message, count: 1, state: "open" },
        { code: "http_status", message: "answered 501", count: 2, state: "open" },
      ],
    );
    assert.deepEqual(groups[1]!.sampleRunIds, [dead, failed]);
    assert.equal(sumOf(groups[1]!.hours), 2);
    assert.ok(groups[1]!.firstSeenAt < groups[1]!.lastSeenAt);
  }
});

const sumOf = (hours: Record<string, number>) => Object.values(hours).reduce((sum, count) => sum + count, 0);

test("a group has a count for each of the last hours, and later failures are added to it", async () => {
  await failRun("hourly");
  await fold();
  const old = Object.fromEntries(Array.from({ length: GROUP_HOURS }, (_, hour) => [hour, 5]));
  await store.pool.query("UPDATE error_groups SET hours = hours || $2 WHERE namespace_id = $1", [
    namespaceId,
    JSON.stringify(old),
  ]);
  await failRun("hourly");
  await fold();
  const { hours } = (await list())[0]!;
  assert.equal(Object.keys(hours).length, GROUP_HOURS);
  assert.ok(!("0" in hours));
  const recent = Object.entries(hours).filter(([hour]) => Number(hour) >= GROUP_HOURS);
  assert.equal(sumOf(Object.fromEntries(recent)), 2);
});

test("a dead letter that is discarded is not counted again; one that fails again after a redrive is", async () => {
  const runId = await failRun("no", "dead");
  await fold();
  await redriveDeadLetters(store, namespaceId, { runId });
  const error = { code: "http_status", message: "no" };
  await finish([await claim(store, workerId, runId)], { state: "dead", error });
  await discardDeadLetter(store, namespaceId, runId);
  await fold();
  assert.deepEqual(
    (await list()).map(({ count, sampleRunIds }) => [count, sampleRunIds]),
    [[2, [runId]]],
  );
});

test("a resolved error that comes again is open again, unless it came before it was resolved; an ignored one stays so", async () => {
  await failRun("gone 1");
  await fold();
  const { fingerprint } = (await list())[0]!;
  await failRun("gone 2");
  assert.equal((await setErrorState(store, namespaceId, fingerprint, "resolved"))?.state, "resolved");
  await fold();
  assert.deepEqual([(await list())[0]!.state, (await list())[0]!.count], ["resolved", 2]);
  await failRun("gone 3");
  await fold();
  assert.equal((await list())[0]!.state, "open");
  await setErrorState(store, namespaceId, fingerprint, "ignored");
  await failRun("gone 4");
  await fold();
  assert.deepEqual([(await list())[0]!.state, (await list())[0]!.count], ["ignored", 4]);
  assert.equal(await setErrorState(store, await newNamespace(), fingerprint, "resolved"), undefined);
});

test("groups are found by their state, and by functions and tasks whose runs failed so", async () => {
  const error: RunError = { code: "function_error", message: "boom", details: { stack: "at main.ts:1:1" } };
  for (const name of ["one", "other"]) {
    await deployFunction(db, namespaceId, name);
    const runId = await queueInvocation(store, namespaceId, name);
    const state = name === "one" ? "failed" : "dead";
    await finish([await claim(store, workerId, runId)], { state, error });
  }
  const taskRun = await startRun(store, namespaceId, workerId);
  await finish([taskRun], { state: "failed", error: { code: "timeout", message: "late" } });
  await fold();
  const codes = async (filter: Parameters<typeof list>[0]) => (await list(filter)).map(({ code }) => code);
  const [shared] = await list({ function: "one" });
  assert.deepEqual([shared?.code, shared?.count], ["function_error", 2]);
  assert.deepEqual(await codes({ function: "other" }), ["function_error"]);
  assert.deepEqual(await codes({ function: "third" }), []);
  assert.deepEqual(await codes({ taskId: taskRun.taskId! }), ["timeout"]);
  await store.pool.query(
    "UPDATE error_groups SET task_ids = $1 || task_ids WHERE namespace_id = $2 AND code = 'timeout'",
    [Array.from({ length: MAX_ORIGINS }, () => newId()), namespaceId],
  );
  await finish([await startRun(store, namespaceId, workerId)], {
    state: "failed",
    error: { code: "timeout", message: "late" },
  });
  await fold();
  assert.deepEqual(await codes({ taskId: taskRun.taskId! }), [], "the last ones are kept");
  await setErrorState(store, namespaceId, shared!.fingerprint, "ignored");
  assert.deepEqual(await codes({ states: ["open"] }), ["timeout"]);
  assert.deepEqual(await codes({ states: ["ignored", "resolved"] }), ["function_error"]);
});

test("a herd is counted exactly by several at once, in bites, whatever is under way beside it", async () => {
  const HERD = 120;
  const fails = async () => {
    for (let left = HERD / 12; left > 0; left -= 1) {
      const runs = [];
      for (let batch = 4; batch > 0; batch -= 1)
        runs.push(await claim(store, workerId, await queueRun(store, namespaceId)));
      const verdicts = [
        { state: "failed", error: { code: "timeout", message: `after ${left} s` } },
        { state: "dead", error: { code: "timeout", message: `after ${left} s` } },
      ] as const;
      await finish(runs, verdicts[left % 2]!);
    }
  };
  let isOver = false;
  const folds = async (limit: number) => {
    while (!isOver) await foldErrors(store, limit);
  };
  const folding = [folds(1), folds(3), folds(50)];
  await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT pg_current_xact_id()");
    await fails();
  });
  await Promise.all([fails(), fails()]);
  isOver = true;
  await Promise.all(folding);
  await fold(7);
  const groups = await list();
  assert.deepEqual(
    groups.map(({ count, sampleRunIds }) => [count, sampleRunIds.length]),
    [[HERD, 5]],
  );
});

test("a namespace keeps so many groups: the newest, and those that are ignored", async () => {
  const word = (number: number) =>
    String.fromCharCode(
      97 + (number % 26),
      97 + (Math.floor(number / 26) % 26),
      97 + Math.floor(number / 676),
    );
  await failRun("kept, though old");
  await failRun("gone, for it is old");
  await fold();
  const [gone, kept] = await list();
  await setErrorState(store, namespaceId, kept!.fingerprint, "ignored");
  await store.pool.query(
    `INSERT INTO error_groups (namespace_id, fingerprint, code, message, count, first_seen_at, last_seen_at,
       sample_run_ids, function_ids, task_ids)
     SELECT $1, n::text, 'c', 'm', 1, now(), now() + interval '1 second', '{}', '{}', '{}' FROM generate_series(1, $2::int) n`,
    [namespaceId, MAX_GROUPS - 2],
  );
  await failRun(word(1));
  await fold();
  const left = new Set((await list()).map(({ fingerprint }) => fingerprint));
  assert.equal(left.size, MAX_GROUPS);
  assert.ok(left.has(kept!.fingerprint));
  assert.ok(!left.has(gone!.fingerprint));
});

test("groups go that nobody has seen for long, but for ignored ones", async () => {
  for (const message of ["one", "other"]) await failRun(message);
  await fold();
  const [, other] = await list();
  await setErrorState(store, namespaceId, other!.fingerprint, "ignored");
  await removeExpiredGroups(store, new Date(Date.now() - 3_600_000), 10_000);
  assert.equal((await list()).length, 2);
  await removeExpiredGroups(store, new Date(Date.now() + 3_600_000), 10_000);
  assert.deepEqual(
    (await list()).map(({ fingerprint }) => fingerprint),
    [other!.fingerprint],
  );
});
