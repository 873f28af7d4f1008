import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { expired } from "../../domain/run-time-limits.ts";
import {
  claim,
  deployFunction,
  finished,
  type GivenTask,
  makeWorker,
  queueInvocation,
  queueRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { expireRuns } from "./expire.ts";
import { finishAttempts, releaseRuns } from "./finish.ts";
import { findRun } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** A queued run whose instant was `agoMs` ago. */
async function queueAgo(namespaceId: string, agoMs: number, given: GivenTask = {}): Promise<string> {
  const runId = await queueRun(store, namespaceId, given);
  await sql`UPDATE task_runs_open SET scheduled_for = clock_timestamp() - ${agoMs} * interval '1 millisecond'
    WHERE id = ${runId}`.execute(db);
  return runId;
}

test("what nobody claimed within its ttl expires, once; nothing else does", async () => {
  const namespaceId = await newNamespace();
  const late = await queueAgo(namespaceId, 60_000, { ttlMs: 60_000 });
  const early = await queueAgo(namespaceId, 1_000, { ttlMs: 3_600_000 });
  const patient = await queueAgo(namespaceId, 3_600_000);
  await deployFunction(db, namespaceId, "greet");
  const call = await queueInvocation(store, namespaceId, "greet");
  const workerId = await makeWorker(db);
  const given = await queueAgo(namespaceId, 60_000, { ttlMs: 60_000 });
  const { claimNo } = await claim(store, workerId, given);
  await releaseRuns(store, workerId, [{ id: given, claimNo }]);

  const { ended, lastId } = await expireRuns(store, 100);
  assert.equal(lastId, undefined);
  assert.deepEqual(
    ended.map(({ runId, state, cause, error }) => ({ runId, state, cause, error })),
    [{ runId: late, state: "expired", cause: "expiry", error: expired(60_000) }],
  );
  const run = (await findRun(store, namespaceId, late))!;
  assert.deepEqual(
    [run.state, run.error?.code, run.attempts, run.startedAt],
    ["expired", "expired", [], null],
  );
  assert.ok(run.finishedAt);
  for (const id of [early, patient, call, given])
    assert.equal((await findRun(store, namespaceId, id))?.state, "queued");
  assert.deepEqual((await expireRuns(store, 100)).ended, []);
});

test("a walk in small steps comes by all of them", async () => {
  const namespaceId = await newNamespace();
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.push(await queueAgo(namespaceId, 10, { ttlMs: 1 }));
  const found: string[] = [];
  let lastId: string | undefined;
  do {
    const step = await expireRuns(store, 2, lastId);
    assert.ok(step.ended.length <= 2);
    found.push(...step.ended.map(({ runId }) => runId));
    lastId = step.lastId;
  } while (lastId !== undefined);
  assert.deepEqual(found.sort(), ids.sort());
});

test("a worker that claimed it too late ends it, and of its claim nothing stays", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const run = await claim(store, workerId, await queueRun(store, namespaceId, { ttlMs: 1 }));
  const plain = await claim(store, workerId, await queueRun(store, namespaceId));
  const verdict = { state: "expired", error: expired(1) } as const;
  const { ended } = await finishAttempts(store, workerId, [
    finished(plain, workerId, { state: "succeeded", result: 1 }),
    finished(run, workerId, verdict),
  ]);
  assert.deepEqual(
    ended.map(({ runId, state }) => [runId, state]).sort(),
    [
      [plain.id, "succeeded"],
      [run.id, "expired"],
    ].sort(),
  );
  const row = (await findRun(store, namespaceId, run.id))!;
  assert.deepEqual([row.state, row.error, row.attempts, row.startedAt], ["expired", verdict.error, [], null]);
  assert.equal((await findRun(store, namespaceId, plain.id))?.attempts.length, 1);
});
