/**
 * Runs that a worker began without a claim: its caller handed them over. A short one is written once, when it has
 * ended; one that lasts, or whose function has a limit of runs at once, is written as running first and ends like any
 * other.
 *
 * Nothing of such a run is written before its id is in `run_fences`, by the same statement. The worker that runs it and
 * the API that gives it up (lost-call.ts) may both try: the one whose insert comes first writes the run, the other
 * writes nothing.
 */
import { functionKey } from "../../domain/limit-keys.ts";
import type { RunTarget } from "../../domain/run-target.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import { createInstantWriter } from "../../instant-text.ts";
import { type JsonOrSource, JsonSource } from "../../json-source.ts";
import { toTextArray } from "../binary-array.ts";
import type { QueryScope, Store } from "../database.ts";
import { earliestTraceOf, madeAtOf } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { findPermitLeft } from "../limits/fold-returned.ts";
import { functionKeySql } from "../limits/permits.ts";
import { recountReturned } from "../limits/recount-permits.ts";
import { type FinishReport, finishAttempts, toEndedRun } from "./finish.ts";
import { type FinishedAttempt, toVerdictRow } from "./finished-attempt.ts";
import { DIRECT_RUNS, INSERT_ENDED, INSERT_RESERVED, INSERT_SHOWN } from "./insert.ts";
import { writeOwnLines } from "./write-lines.ts";

export interface DirectRun {
  id: string;
  namespaceId: string;
  functionId: string;
  revisionId: string;
  trigger: RunTrigger;
  /** The tag that the call asked for. */
  target?: RunTarget | undefined;
  input: JsonOrSource;
  timeoutMs: number;
  /** Milliseconds since it began. */
  ageMs: number;
  /** The request that asked (W3C). */
  traceparent?: string | null | undefined;
}

const OWN_FENCES = {
  name: "own-fences",
  text: "SELECT run_id AS id FROM run_fences WHERE run_id = ANY($1::uuid[]) AND writer = $2",
};

const SHOW = {
  name: "show-direct-run",
  text: `
  WITH fence AS (
    INSERT INTO run_fences (run_id, writer) SELECT d.id, $1 FROM ${DIRECT_RUNS} ON CONFLICT DO NOTHING RETURNING run_id
  ) ${INSERT_SHOWN}`,
};

/**
 * Makes the run visible as running, so that it can be seen, cancelled and rescued. False: it was given up meanwhile, and
 * nothing was written.
 */
export async function showDirectRun(store: Store, workerId: string, run: DirectRun): Promise<boolean> {
  const { rowCount } = await store.plannedPool.query({ ...SHOW, values: toShowValues(workerId, run) });
  return rowCount === 1 || (await isOwn(store, workerId, run.id));
}

/** Written before: by a statement whose answer never came. */
async function isOwn({ pool }: QueryScope, workerId: string, runId: string): Promise<boolean> {
  return (await pool.query({ ...OWN_FENCES, values: [[runId], workerId] })).rows.length > 0;
}

type CallFacts = Pick<
  FinishedDirectRun,
  "namespaceId" | "functionId" | "revisionId" | "trigger" | "target" | "timeoutMs" | "traceparent" | "input"
>;

/** $1 and $2 of `SHOW` and `RESERVE`. */
function toShowValues(workerId: string, run: DirectRun): [string, string] {
  return [workerId, toJsonText([toShownRow(run)])];
}

function toShownRow(run: DirectRun) {
  return { ...toCallColumns(run), id: run.id, state: "running", age_ms: run.ageMs };
}

/** What the row of a call says, shown or ended. */
function toCallColumns(run: CallFacts) {
  const { namespaceId, functionId, revisionId, trigger, target, timeoutMs, traceparent, input } = run;
  return {
    namespace_id: namespaceId,
    function_id: functionId,
    revision_id: revisionId,
    trigger,
    target,
    timeout_ms: Math.round(timeoutMs),
    traceparent,
    input,
  };
}

// The permit comes first, for a fence cannot be taken back; none is taken for a run that has one already.
const RESERVE = {
  name: "reserve-direct-run",
  text: `
  WITH call AS MATERIALIZED (
    SELECT d.id, d.function_id FROM ${DIRECT_RUNS}
  ), known AS MATERIALIZED (
    SELECT l.key FROM call c JOIN run_limits l ON l.key = ${functionKeySql("c.function_id")}
  ), fenced AS MATERIALIZED (
    SELECT FROM call c JOIN run_fences f ON f.run_id = c.id
  ), permit AS (
    UPDATE run_limits l SET permits_held = permits_held + 1 FROM known k
    WHERE l.key = k.key AND (l.concurrency IS NULL OR (NOT l.has_waiting AND l.permits_held < l.concurrency))
      AND NOT EXISTS (SELECT FROM fenced)
    RETURNING l.key
  ), admitted AS MATERIALIZED (
    SELECT ARRAY[key] AS permits FROM permit UNION ALL SELECT NULL WHERE NOT EXISTS (SELECT FROM known)
  ), fence AS (
    INSERT INTO run_fences (run_id, writer) SELECT c.id, $1 FROM call c, admitted
    ON CONFLICT DO NOTHING RETURNING run_id
  ), made AS (${INSERT_RESERVED} RETURNING id)
  SELECT EXISTS (SELECT FROM made) AS "isMade", EXISTS (SELECT FROM fenced) AS "isFenced",
    EXISTS (SELECT FROM admitted) AS "isAdmitted", (SELECT permits FROM admitted) AS permits`,
};

interface ReservedRow {
  isMade: boolean;
  isFenced: boolean;
  isAdmitted: boolean;
  permits: string[] | null;
}

export type Reservation = "reserved" | "no_permit" | "given_up";

/**
 * The same where the function has a permit left and no run waits for one. `no_permit`: nothing was written; `given_up`:
 * nor was anything here, and it must not run.
 */
export async function reserveDirectRun(store: Store, workerId: string, run: DirectRun): Promise<Reservation> {
  const reserve = async () =>
    (
      await store.plannedPool.query<ReservedRow>({
        ...RESERVE,
        values: toShowValues(workerId, run),
      })
    ).rows[0]!;
  const isRefused = ({ isFenced, isAdmitted }: ReservedRow) => !isFenced && !isAdmitted;
  let row = await reserve();
  if (isRefused(row) && (await findPermitLeft(store, functionKey(run.functionId)))) row = await reserve();
  if (row.isMade) return "reserved";
  if (isRefused(row)) return "no_permit";
  const { permits } = row;
  // Its fence came at the same moment. What this loses by an accident is counted again soon.
  await recountReturned(store, permits ?? []);
  return (await isOwn(store, workerId, run.id)) ? "reserved" : "given_up";
}

/** A run that has ended and was never visible before. */
export interface FinishedDirectRun extends FinishedAttempt {
  hasOwnClock: true;
  target?: RunTarget | undefined;
  input: JsonOrSource;
  timeoutMs: number;
  durationMs: number;
  /** The request that asked (W3C). */
  traceparent?: string | null | undefined;
}

/** Fences are kept for twice as long (removeExpiredFences): who comes later than this could find none. */
const WRITTEN_WITHIN = "interval '12 hours'";
const FENCE_KEPT = "interval '24 hours'";

const FENCE_ENDED = `ended AS MATERIALIZED (SELECT * FROM ${DIRECT_RUNS}), fence AS (
    INSERT INTO run_fences (run_id, writer)
    SELECT id, $3::uuid FROM ended WHERE made_at > statement_timestamp() - ${WRITTEN_WITHIN}
    ON CONFLICT DO NOTHING RETURNING run_id
  )`;

/** Writes those of the runs $2 whose ids nobody has taken, as the writer $3, with their lines; $4 are long inputs of them. */
export const WRITE_ENDED = `
  WITH ${FENCE_ENDED}, made AS (${INSERT_ENDED} RETURNING id, namespace_id, function_id, revision_id, attempt, started_at),
  told AS (SELECT m.*, e.lines FROM made m JOIN ended e ON e.id = m.id WHERE e.lines IS NOT NULL), ${writeOwnLines("told")}
  SELECT id FROM made`;

/** The same of runs without lines: of one run, an eighth of the statement was to get ready for what it does not log. */
const WRITE_SILENT = `WITH ${FENCE_ENDED} ${INSERT_ENDED} RETURNING id`;

/**
 * Writes runs that have ended, with their logs: one statement. Of those whose id is taken it is looked up by whom: a
 * write of this worker may have been committed though its answer never came, as ended or as running.
 */
export async function recordDirectRuns(
  store: Store,
  workerId: string,
  runs: FinishedDirectRun[],
): Promise<FinishReport> {
  const isSilent = runs.every(({ logs }) => logs.length === 0);
  const { rows } = await store.plannedPool.query<{ id: string }>({
    ...(isSilent
      ? { name: "direct-ended-silent", text: WRITE_SILENT }
      : { name: "direct-ended", text: WRITE_ENDED }),
    values: toEndedValues(workerId, runs, workerId),
  });
  const written = new Set(rows.map(({ id }) => id));
  if (written.size === runs.length) return toReport(runs);
  const taken = runs.filter(({ runId }) => !written.has(runId));
  const shown = await finishAttempts(store, workerId, await findOwnFences(store, workerId, taken));
  const left = taken.filter((run) => !shown.recorded.has(run));
  const earlier = await findRecorded(store, left);
  const unseen = toReport(runs.filter(({ runId }) => written.has(runId) || earlier.has(runId)));
  return {
    recorded: new Set([...unseen.recorded, ...shown.recorded]),
    ended: [...unseen.ended, ...shown.ended],
  };
}

/** Nobody waits in the table for a run that was not there. */
function toReport(runs: FinishedDirectRun[]): FinishReport {
  return { recorded: new Set(runs), ended: runs.map((run) => toEndedRun(run, "worker")) };
}

/** Those whose final rows hold this very attempt: an earlier write brought them. */
async function findRecorded({ pool }: QueryScope, runs: FinishedDirectRun[]): Promise<Set<string>> {
  if (runs.length === 0) return new Set();
  const oldest = runs.map(({ runId }) => runId).reduce((a, b) => (a < b ? a : b));
  const { rows } = await pool.query<{ id: string }>({
    name: "recorded-attempts",
    text: `SELECT r.id FROM json_to_recordset($1::json) AS v(id uuid, state text, record jsonb)
      JOIN task_runs r ON r.id = v.id
      WHERE r.finished_at >= $2 AND r.finished_at < 'infinity' AND r.state = v.state AND r.attempts @> jsonb_build_array(v.record)`,
    values: [toJsonText(runs.map(toVerdictRow)), earliestTraceOf(oldest)],
  });
  return new Set(rows.map(({ id }) => id));
}

async function findOwnFences(
  { pool }: QueryScope,
  workerId: string,
  runs: FinishedDirectRun[],
): Promise<FinishedDirectRun[]> {
  const { rows } = await pool.query<{ id: string }>({
    ...OWN_FENCES,
    values: [runs.map(({ runId }) => runId), workerId],
  });
  const own = new Set(rows.map(({ id }) => id));
  return runs.filter(({ runId }) => own.has(runId));
}

/**
 * The text of an input that is longer goes beside the rows: within them PostgreSQL would read it three times, as a part of
 * the rows, as a member of its own and as the value that it is.
 */
const LONG_INPUT_CHARS = 512;

const isLong = (input: unknown): input is JsonSource =>
  input instanceof JsonSource && input.text.length > LONG_INPUT_CHARS;

/** What `WRITE_ENDED` takes; `writer` is null where nobody who runs them writes them. */
export function toEndedValues(
  workerId: string,
  runs: FinishedDirectRun[],
  writer: string | null,
): [string, string, string | null, Buffer] {
  const longInputs: string[] = [];
  const rows = runs.map((run) => {
    if (!isLong(run.input)) return toEndedRow(run);
    const inputAt = longInputs.push(toJsonText(run.input));
    return { ...toEndedRow({ ...run, input: null }), input: undefined, input_at: inputAt };
  });
  return [workerId, toJsonText(rows), writer, toTextArray(longInputs)];
}

const writeMadeAt = createInstantWriter();

function toEndedRow(run: FinishedDirectRun) {
  return {
    ...toCallColumns(run),
    ...toVerdictRow(run),
    original_input: run.originalInput,
    made_at: writeMadeAt(madeAtOf(run.runId)),
    age_ms: run.durationMs,
  };
}

/** Removes up to `limit` fences that no writer can come to any more; how many. */
export async function removeExpiredFences({ pool }: QueryScope, limit: number): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM run_fences WHERE run_id = ANY (ARRAY(
      SELECT run_id FROM run_fences WHERE run_id < rpad(lpad(to_hex(floor(
        extract(epoch FROM statement_timestamp() - ${FENCE_KEPT}) * 1000)::bigint), 12, '0'), 32, '0')::uuid
      ORDER BY run_id LIMIT $1))`,
    [limit],
  );
  return rowCount ?? 0;
}
