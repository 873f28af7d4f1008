import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import { functionKey } from "../../domain/limit-keys.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { claimRuns } from "../runs/claim.ts";
import { findEarlyRuns, findOverdueRuns, msUntilNextQueued } from "../runs/find-claimable.ts";
import { finishAttempts, releaseRuns } from "../runs/finish.ts";
import { rescueLostRuns } from "../runs/rescue.ts";
import { createTask } from "../tasks/create.ts";
import { changeTask } from "../tasks/redefine.ts";
import {
  ANY_TIME,
  claimDue,
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  wantedKeysOf,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findGrantableKeys } from "./find-grantable.ts";
import { grantPermits } from "./grant-permits.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

/** A function with these limits and `count` queued runs, oldest first. */
async function openFunction(count: number, limits: AskedLimits = { concurrency: 2 }) {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "f", limits);
  const runIds: string[] = [];
  for (let index = 0; index < count; index += 1) runIds.push(await queueInvocation(store, namespaceId, "f"));
  return { namespaceId, functionId, runIds, queue: () => queueInvocation(store, namespaceId, "f") };
}

/** Where these runs stand, as one word each. */
async function standing(runIds: string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string; standing: string }>`
    SELECT id, CASE WHEN waiting_for IS NOT NULL THEN 'waiting'
      WHEN waiting_key IS NOT NULL THEN 'granted' ELSE state END AS standing FROM task_runs WHERE id = ANY(${runIds})`.execute(
    db,
  );
  return runIds.map((id) => rows.find((row) => row.id === id)!.standing);
}

const functionTask = (name: string): TaskInput =>
  httpTask({ kind: "now" }, { spec: { type: "function", function: name, input: null } });

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id);

test("only as many as there are permits for start; the others wait, and no attempt is counted", async () => {
  const workerId = await makeWorker(db);
  const { runIds } = await openFunction(4);
  const claimed = await claimRuns(store, workerId, runIds.toReversed());
  assert.deepEqual(idsOf(claimed).sort(), runIds.slice(0, 2), "the oldest");
  assert.ok(claimed.every(({ revisionId, spec }) => revisionId && spec));
  assert.deepEqual(await standing(runIds), ["running", "running", "waiting", "waiting"]);
  const { rows } = await sql`SELECT attempt, claim_no, started_at, worker_id FROM task_runs_open
    WHERE waiting_for = 'concurrency'`.execute(db);
  const untouched = { attempt: 1, claim_no: 0, started_at: null, worker_id: null };
  assert.deepEqual(rows, [untouched, untouched]);
});

test("what waits is in nobody's way: no claim, sweep, bell or timer looks at it", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, runIds } = await openFunction(4);
  await claimDue(store, workerId, 10, 0);
  assert.deepEqual(await claimRuns(store, workerId, runIds), []);
  assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
  assert.deepEqual(await findEarlyRuns(store, runIds), []);
  assert.deepEqual(await findOverdueRuns(store, -60_000, 10), []);
  assert.equal(await msUntilNextQueued(store), null);
  const other = await queueRun(store, namespaceId);
  assert.deepEqual(idsOf(await claimDue(store, workerId, 1, 0)), [other]);
});

test("permits are granted to the oldest that wait, as many as there are, once", async () => {
  const workerId = await makeWorker(db);
  const { functionId, runIds } = await openFunction(5);
  const [first] = await claimRuns(store, workerId, runIds);
  assert.deepEqual(await grantPermits(store, [functionKey(functionId)]), [], "it is full");
  await finishAttempts(store, workerId, [finished(first!, workerId, { state: "succeeded", result: null })]);
  const granted = await grantPermits(store, [functionKey(functionId)]);
  assert.deepEqual(
    granted.map(({ runId }) => runId),
    [runIds[2]],
  );
  assert.deepEqual(await grantPermits(store, [functionKey(functionId)]), []);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [runIds[2]!])), [runIds[2]]);
});

test("who waited starts before who is new, in the new one's slot", async () => {
  const workerId = await makeWorker(db);
  const { functionId, runIds, queue } = await openFunction(3);
  const [first] = await claimRuns(store, workerId, runIds);
  const late = await queue();
  await finishAttempts(store, workerId, [finished(first!, workerId, { state: "succeeded", result: null })]);
  await grantPermits(store, [functionKey(functionId)]);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [late])), [runIds[2]]);
  assert.deepEqual(await standing([late]), ["waiting"]);
});

test("who is new takes none of the permits that several were granted, though it asks alone", async () => {
  const workerId = await makeWorker(db);
  const { functionId, runIds, queue } = await openFunction(6, { concurrency: 3 });
  const first = await claimRuns(store, workerId, runIds);
  const late = await queue();
  const ends = first.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  await finishAttempts(store, workerId, ends);
  assert.equal((await grantPermits(store, [functionKey(functionId)])).length, 3);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [late])), [runIds[3]]);
  assert.deepEqual(await standing([...runIds.slice(3), late]), ["running", "granted", "granted", "waiting"]);
});

test("a permit that was granted goes to the next where its run is cancelled", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, functionId, runIds } = await openFunction(4);
  const [first] = await claimRuns(store, workerId, runIds);
  await finishAttempts(store, workerId, [finished(first!, workerId, { state: "succeeded", result: null })]);
  await grantPermits(store, [functionKey(functionId)]);
  const { ended } = await cancelRuns(store, namespaceId, { runId: runIds[2]! });
  assert.deepEqual(
    ended.map(({ runId, wantedKeys }) => [runId, wantedKeys]),
    [[runIds[2], [functionKey(functionId)]]],
  );
  const granted = await grantPermits(store, [functionKey(functionId)]);
  assert.deepEqual(
    granted.map(({ runId }) => runId),
    [runIds[3]],
  );
});

test("a run that waits for a permit is cancelled at once", async () => {
  const { namespaceId, runIds } = await openFunction(3);
  await claimRuns(store, await makeWorker(db), runIds);
  const { ended } = await cancelRuns(store, namespaceId, { runId: runIds[2]! });
  assert.deepEqual(
    ended.map(({ runId, wantedKeys }) => [runId, wantedKeys]),
    [[runIds[2], null]],
  );
  assert.deepEqual(await standing(runIds), ["running", "running", "cancelled"]);
});

test("a lost worker's and a released run's permits are free again", async () => {
  const { functionId, runIds } = await openFunction(4);
  const lost = await makeWorker(db, 1);
  await claimRuns(store, lost, runIds);
  await sql`UPDATE workers SET lease_until = now() - interval '1 minute'`.execute(db);
  await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  assert.equal((await grantPermits(store, [functionKey(functionId)])).length, 2);
  const workerId = await makeWorker(db);
  const claimed = await claimDue(store, workerId, 10, 0);
  assert.deepEqual(idsOf(claimed).sort(), runIds.slice(2));
  await releaseRuns(store, workerId, [claimed[0]!]);
  assert.equal((await claimDue(store, await makeWorker(db), 10, 0)).length, 1);
});

test("another limit holds from the next claim on; none at all lets everybody go", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, functionId, runIds } = await openFunction(6);
  await claimRuns(store, workerId, runIds);
  await deployFunction(db, namespaceId, "f", { concurrency: 3 });
  assert.equal((await grantPermits(store, [functionKey(functionId)])).length, 1);
  assert.equal((await claimDue(store, workerId, 10, 0)).length, 1);
  await deployFunction(db, namespaceId, "f");
  assert.equal((await grantPermits(store, [functionKey(functionId)])).length, 3);
  const claimed = await claimDue(store, workerId, 10, 0);
  assert.equal(claimed.length, 3);
});

test("runs of a revision without a limit count where the next one has one", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, runIds, queue } = await openFunction(2, {});
  assert.equal((await claimRuns(store, workerId, runIds)).length, 2);
  await deployFunction(db, namespaceId, "f", { concurrency: 2 });
  assert.deepEqual(await claimRuns(store, workerId, [await queue()]), []);
});

test("claims of several workers that meet never start more than fit, of any function", async () => {
  const functions = await Promise.all([1, 3, 5].map((concurrency) => openFunction(12, { concurrency })));
  const free = await openFunction(6, {});
  const workers = await Promise.all(Array.from({ length: 6 }, () => makeWorker(db)));
  const all = [...functions, free].flatMap(({ runIds }) => runIds);
  const claims = workers.map((workerId, index) =>
    index % 2 === 0 ? claimRuns(store, workerId, all) : claimDue(store, workerId, all.length, 0),
  );
  const claimed = (await Promise.all(claims)).flat();
  assert.equal(new Set(idsOf(claimed)).size, claimed.length, "none twice");
  const count = (functionId: string) => claimed.filter((run) => run.functionId === functionId).length;
  assert.deepEqual(
    functions.map(({ functionId }) => count(functionId)),
    [1, 3, 5],
  );
  assert.equal(count(free.functionId), 6);
});

test("keys that have permits while runs wait for them are found, each once", async () => {
  const workerId = await makeWorker(db);
  const functions = [await openFunction(5), await openFunction(4), await openFunction(2)];
  const ends = [];
  for (const { runIds } of functions) {
    const [first] = await claimRuns(store, workerId, runIds);
    ends.push(finished(first!, workerId, { state: "succeeded", result: null }));
  }
  assert.deepEqual(await findGrantableKeys(store, 10), [], "all permits are out");
  const report = await finishAttempts(store, workerId, ends);
  const expected = functions
    .slice(0, 2)
    .map(({ functionId }) => functionKey(functionId))
    .sort();
  assert.deepEqual(wantedKeysOf(report.ended).toSorted(), expected);
  assert.deepEqual((await findGrantableKeys(store, 10)).sort(), expected);
  assert.equal((await grantPermits(store, expected)).length, 2);
  assert.deepEqual(await findGrantableKeys(store, 10), []);
});

test("a key for which nobody waits any more is found, and new runs need not be decided one by one", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, functionId, runIds } = await openFunction(3);
  const claimed = await claimRuns(store, workerId, runIds);
  await cancelRuns(store, namespaceId, { runId: runIds[2]! });
  const ends = claimed.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  await finishAttempts(store, workerId, ends);
  assert.deepEqual(await findGrantableKeys(store, 10), [functionKey(functionId)]);
  assert.deepEqual(await grantPermits(store, [functionKey(functionId)]), []);
  assert.deepEqual(await findGrantableKeys(store, 10), []);
});

test("a run whose task calls another function now stands in that one's line, not in the old one's", async () => {
  const workerId = await makeWorker(db);
  const namespaceId = await newNamespace();
  const [from, to] = [
    await deployFunction(db, namespaceId, "from", { concurrency: 1 }),
    await deployFunction(db, namespaceId, "to"),
  ];
  const input = functionTask("from");
  const tasks = [];
  for (let index = 0; index < 2; index += 1)
    tasks.push(await createTask(store, { namespaceId, input, functionId: from, now: new Date() }));
  const [first, second] = tasks.map(({ run }) => run!.runId);
  await claimRuns(store, workerId, [first!, second!]);
  assert.deepEqual(await standing([first!, second!]), ["running", "waiting"]);
  const decide = async () => ({ input: functionTask("to"), functionId: to, reschedules: false });
  await changeTask(store, namespaceId, tasks[1]!.task.id, new Date(), decide);
  assert.deepEqual(await standing([second!]), ["queued"]);
  const [claimed] = await claimRuns(store, workerId, [second!]);
  assert.equal(claimed?.functionId, to);
});
