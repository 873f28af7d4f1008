/** What the end of a batch is answered. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import { deployFunction, finished, makeWorker, queueInvocation } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimRuns } from "./claim.ts";
import { finishAttempts, releaseRuns } from "./finish.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** A store that shows what the statements of its planned pool answered. */
function watchAnswers() {
  const answers: unknown[] = [];
  const query = async (statement: pg.QueryConfig) => {
    const answer = await store.plannedPool.query(statement);
    answers.push(structuredClone(answer.rows));
    return answer;
  };
  const plannedPool = Object.create(store.plannedPool, { query: { value: query } });
  return { watched: { ...store, plannedPool } as typeof store, answers };
}

/** Claims a run for each, and ends them in one batch. */
async function endBatch(isAwaited: boolean[], isLost = isAwaited.map(() => false)) {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "f");
  const ids: string[] = [];
  for (const awaited of isAwaited) ids.push(await queueInvocation(store, namespaceId, "f", { awaited }));
  const claims = await claimRuns(store, workerId, ids);
  const runs = ids.map((id) => claims.find((run) => run.id === id)!);
  await releaseRuns(
    store,
    workerId,
    runs.filter((_, index) => isLost[index]),
  );
  const attempts = runs.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  const { watched, answers } = watchAnswers();
  const { recorded, ended } = await finishAttempts(watched, workerId, attempts);
  const told = (index: number) => ({
    id: ids[index]!,
    claimNo: 1,
    awaited: isAwaited[index]!,
    permits: null,
  });
  const isRecorded = attempts.map((attempt) => recorded.has(attempt));
  const endsAwaited = ended.map(({ runId, awaited }) => [ids.indexOf(runId), awaited]);
  return { answers, told, isRecorded, endsAwaited };
}

test("a batch of which there is nothing to say is answered by its number alone", async () => {
  const { answers, isRecorded, endsAwaited } = await endBatch([false, false, false]);
  assert.deepEqual(answers, [[{ moved: 3, told: null }]]);
  assert.deepEqual(isRecorded, [true, true, true]);
  assert.deepEqual(endsAwaited, [
    [0, false],
    [1, false],
    [2, false],
  ]);
});

test("of a batch in which one is awaited, that one is told", async () => {
  const { answers, told, isRecorded, endsAwaited } = await endBatch([false, true, false]);
  assert.deepEqual(answers, [[{ moved: 3, told: [told(1)] }]]);
  assert.deepEqual(isRecorded, [true, true, true]);
  assert.deepEqual(endsAwaited, [
    [0, false],
    [1, true],
    [2, false],
  ]);
});

test("of a batch in which one is lost, the others are told, and of one in which all are, none", async () => {
  const some = await endBatch([false, false], [true, false]);
  assert.deepEqual(some.answers, [[{ moved: 1, told: [some.told(1)] }]]);
  assert.deepEqual([some.isRecorded, some.endsAwaited], [[false, true], [[1, false]]]);
  const none = await endBatch([false, true], [true, true]);
  assert.deepEqual(none.answers, [[{ moved: 0, told: null }]]);
  assert.deepEqual([none.isRecorded, none.endsAwaited], [[false, false], []]);
});
