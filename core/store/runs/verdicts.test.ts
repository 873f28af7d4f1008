import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { JsonSource } from "../../json-source.ts";
import { newId } from "../ids.ts";
import { finished, line, makeWorker, retryAfter, SAMPLE_ERROR, startRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import type { TriedAttempt } from "./finished-attempt.ts";
import { toVerdictValues, VERDICTS } from "./verdicts.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);
const workerId = await makeWorker(store.db);
const run = await startRun(store, await newNamespace(), workerId);

async function readLines(attempts: TriedAttempt[]) {
  const text = `WITH ${VERDICTS} SELECT $1::uuid, v.id, v.claim_no, l.* FROM verdicts v JOIN lines l USING (verdict_no) ORDER BY line_no`;
  return (await store.pool.query(text, toVerdictValues(workerId, attempts))).rows;
}

async function read(worker: string | null, attempts: TriedAttempt[]) {
  const text = `WITH ${VERDICTS} SELECT $1::uuid AS worker, * FROM verdicts`;
  return (await store.pool.query(text, toVerdictValues(worker, attempts))).rows;
}

const NOTHING = {
  ...{ worker: workerId, worker_id: null, revision_id: null, available_at: null, result: null },
  ...{ error: null, took_ms: null, input: null },
  verdict_no: null,
};

test("each verdict arrives with what it has, whatever the others have", async () => {
  const revisionId = newId();
  const retry = retryAfter(1_000);
  const attempts = [
    finished(run, workerId, { state: "succeeded", result: { text: 'ä "quoted" \\ {a,b} \u0000\ud800' } }),
    { ...finished(run, workerId, { state: "succeeded", result: "null" }), runId: newId(), revisionId },
    finished(run, workerId, { state: "failed", error: SAMPLE_ERROR }, [line("a line")]),
    { ...finished(run, workerId, retry), input: new JsonSource('{"as" : "written"}'), claimNo: 2 },
  ];
  const rows = await read(workerId, attempts);
  const facts = attempts.map(({ runId, claimNo, verdict, record }) => ({
    ...{ id: runId, claim_no: claimNo, state: verdict.state, record },
  }));
  assert.deepEqual(rows, [
    { ...NOTHING, ...facts[0], result: { text: 'ä "quoted" \\ {a,b} \ufffd\ufffd' } },
    { ...NOTHING, ...facts[1], result: "null", revision_id: revisionId },
    { ...NOTHING, ...facts[2], error: SAMPLE_ERROR, verdict_no: 2 },
    {
      ...NOTHING,
      ...facts[3],
      error: SAMPLE_ERROR,
      input: { as: "written" },
      available_at: retry.state === "scheduled" && retry.availableAt,
    },
  ]);
});

test("the lines of all arrive in their order, each by its claim of its run", async () => {
  const verdict = { state: "succeeded", result: null } as const;
  const at = (ms: number) => new Date(run.startedAt.getTime() + ms);
  const rows = await readLines([
    { ...finished(run, workerId, verdict), runId: newId() },
    finished(run, workerId, verdict, [
      line("one", { at: at(1.5), level: "warn" }),
      line('{"two",\\ä}', { at: at(1), fields: { a: "\u0000\ud800", b: null } }),
    ]),
    {
      ...finished(run, workerId, verdict, [line("\u0000 and \ud800", { at: new Date(Number.NaN) })]),
      claimNo: 2,
    },
  ]);
  assert.deepEqual(
    rows.map(({ id, claim_no, since_ms, level, message, fields }) => [
      ...[id === run.id && claim_no, since_ms, level, message, fields],
    ]),
    [
      [1, 1, "warn", "one", null],
      [1, 1, "info", '{"two",\\ä}', { a: "\ufffd\ufffd", b: null }],
      [2, null, "info", "\ufffd and \ufffd", null],
    ],
  );
});

test("a JSON null is the column's, as it comes and as it was written", async () => {
  const attempts = [null, new JsonSource("null")].map((result) =>
    finished(run, workerId, { state: "succeeded", result } as Parameters<typeof finished>[2]),
  );
  const text = `WITH ${VERDICTS} SELECT $1::uuid AS worker, result IS NULL AS "isNull" FROM verdicts`;
  const { rows } = await store.pool.query(text, toVerdictValues(workerId, attempts));
  assert.deepEqual(
    rows.map(({ isNull }) => isNull),
    [true, true],
  );
});

test("of attempts that ended away from their workers each names its own", async () => {
  const [row] = await read(null, [finished(run, workerId, { state: "failed", error: SAMPLE_ERROR })]);
  assert.deepEqual([row.worker, row.worker_id], [null, workerId]);
});
