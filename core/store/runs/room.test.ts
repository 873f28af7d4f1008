import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import { changeTask } from "../tasks/change.ts";
import { createTask } from "../tasks/create.ts";
import {
  ANY_TIME,
  claimDue,
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { cancelRuns } from "./cancel.ts";
import { claimRuns } from "./claim.ts";
import { findEarlyRuns, findOverdueRuns, msUntilNextQueued } from "./find-claimable.ts";
import { finishAttempts, releaseRuns } from "./finish.ts";
import { rescueLostRuns } from "./rescue.ts";
import { findAwaitedFunctions, offerRoom } from "./room.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** A function with these limits and `count` queued runs, oldest first. */
async function openFunction(count: number, limits: AskedLimits = { concurrency: 2 }) {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "f", limits);
  const runIds: string[] = [];
  for (let index = 0; index < count; index += 1) runIds.push(await queueInvocation(store, namespaceId, "f"));
  return { namespaceId, functionId, runIds, queue: () => queueInvocation(store, namespaceId, "f") };
}

/** The state and room of these runs, as one word each. */
async function standing(runIds: string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string; standing: string }>`
    SELECT id, coalesce(room, state) AS standing FROM task_runs WHERE id = ANY(${runIds})`.execute(db);
  return runIds.map((id) => rows.find((row) => row.id === id)!.standing);
}

const functionTask = (name: string): TaskInput =>
  httpTask({ kind: "now" }, { spec: { type: "function", function: name, input: null } });

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id);

test("only as many as the function has room for start; the others wait, and no attempt is counted", async () => {
  const workerId = await makeWorker(db);
  const { runIds } = await openFunction(4);
  const claimed = await claimRuns(store, workerId, runIds.toReversed());
  assert.deepEqual(idsOf(claimed).sort(), runIds.slice(0, 2), "the oldest");
  assert.ok(claimed.every(({ holdsRoom, revisionId, spec }) => holdsRoom && revisionId && spec));
  assert.deepEqual(await standing(runIds), ["running", "running", "awaited", "awaited"]);
  const { rows } = await sql`SELECT attempt, claim_no, started_at, worker_id FROM task_runs_open
    WHERE room = 'awaited'`.execute(db);
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

test("room is offered to the oldest that wait, as much as there is, once", async () => {
  const workerId = await makeWorker(db);
  const { functionId, runIds } = await openFunction(5);
  const [first] = await claimRuns(store, workerId, runIds);
  assert.deepEqual(await offerRoom(store, [functionId]), [], "it is full");
  await finishAttempts(store, workerId, [finished(first!, workerId, { state: "succeeded", result: null })]);
  const offered = await offerRoom(store, [functionId]);
  assert.deepEqual(
    offered.map(({ runId }) => runId),
    [runIds[2]],
  );
  assert.deepEqual(await offerRoom(store, [functionId]), []);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [runIds[2]!])), [runIds[2]]);
});

test("who waited starts before who is new, in the new one's slot", async () => {
  const workerId = await makeWorker(db);
  const { functionId, runIds, queue } = await openFunction(3);
  const [first] = await claimRuns(store, workerId, runIds);
  const late = await queue();
  await finishAttempts(store, workerId, [finished(first!, workerId, { state: "succeeded", result: null })]);
  await offerRoom(store, [functionId]);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [late])), [runIds[2]]);
  assert.deepEqual(await standing([late]), ["awaited"]);
});

test("who is new takes none of the room that several were offered, though it asks alone", async () => {
  const workerId = await makeWorker(db);
  const { functionId, runIds, queue } = await openFunction(6, { concurrency: 3 });
  const first = await claimRuns(store, workerId, runIds);
  const late = await queue();
  const ends = first.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  await finishAttempts(store, workerId, ends);
  assert.equal((await offerRoom(store, [functionId])).length, 3);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [late])), [runIds[3]]);
  assert.deepEqual(await standing([...runIds.slice(3), late]), ["running", "offered", "offered", "awaited"]);
});

test("room that was offered is offered again to nobody, and lost to nobody, where its run is cancelled", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, functionId, runIds } = await openFunction(4);
  const [first] = await claimRuns(store, workerId, runIds);
  await finishAttempts(store, workerId, [finished(first!, workerId, { state: "succeeded", result: null })]);
  await offerRoom(store, [functionId]);
  const { ended } = await cancelRuns(store, namespaceId, { runId: runIds[2]! });
  assert.deepEqual(ended, [runIds[2]]);
  const offered = await offerRoom(store, [functionId]);
  assert.deepEqual(
    offered.map(({ runId }) => runId),
    [runIds[3]],
  );
});

test("a run that waits for room is cancelled at once", async () => {
  const { namespaceId, runIds } = await openFunction(3);
  await claimRuns(store, await makeWorker(db), runIds);
  assert.deepEqual((await cancelRuns(store, namespaceId, { runId: runIds[2]! })).ended, [runIds[2]]);
  assert.deepEqual(await standing(runIds), ["running", "running", "cancelled"]);
});

test("a lost worker's and a released run's room is room again", async () => {
  const { functionId, runIds } = await openFunction(4);
  const lost = await makeWorker(db, 1);
  await claimRuns(store, lost, runIds);
  await sql`UPDATE workers SET lease_until = now() - interval '1 minute'`.execute(db);
  await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  assert.equal((await offerRoom(store, [functionId])).length, 2);
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
  assert.equal((await offerRoom(store, [functionId])).length, 1);
  assert.equal((await claimDue(store, workerId, 10, 0)).length, 1);
  await deployFunction(db, namespaceId, "f");
  assert.equal((await offerRoom(store, [functionId])).length, 3);
  const claimed = await claimDue(store, workerId, 10, 0);
  assert.deepEqual([claimed.length, claimed[0]!.holdsRoom], [3, false]);
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

test("the functions that runs wait for are found, each once", async () => {
  assert.deepEqual(await findAwaitedFunctions(store, 10), []);
  const workerId = await makeWorker(db);
  const functions = [await openFunction(5), await openFunction(4), await openFunction(2)];
  for (const { runIds } of functions) await claimRuns(store, workerId, runIds);
  const expected = functions.slice(0, 2).map(({ functionId }) => functionId);
  assert.deepEqual((await findAwaitedFunctions(store, 10)).sort(), expected.sort());
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
  assert.deepEqual(await standing([first!, second!]), ["running", "awaited"]);
  const decide = async () => ({ input: functionTask("to"), functionId: to, reschedules: false });
  await changeTask(store, namespaceId, tasks[1]!.task.id, new Date(), decide);
  assert.deepEqual(await findAwaitedFunctions(store, 10), []);
  const [claimed] = await claimRuns(store, workerId, [second!]);
  assert.deepEqual([claimed?.functionId, claimed?.holdsRoom], [to, false]);
});
