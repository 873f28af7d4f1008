/**
 * running → what the attempt made of it, in batches. Every line is fenced by run, worker and claim number: a run
 * that was rescued meanwhile is not touched, and its late logs are dropped with its late result.
 */
import type pg from "pg";
import type { AttemptRecord } from "../../contracts/run.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { JsonObject } from "../../json.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { givePermitsBack, WANTED_KEYS } from "../limits/permits.ts";
import { returnPermits } from "../limits/return-permits.ts";
import { inTransaction } from "../transaction.ts";
import { unindexed } from "../unindexed.ts";
import { moveEnded } from "./move-ended.ts";
import { recordInRowTime, shiftToRowTime } from "./row-time.ts";

export interface FinishedAttempt {
  runId: string;
  claimNo: number;
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  functionId: string | null;
  /** What the claim knew of its run: the row knows more, where a limit was set meanwhile. */
  holdsPermits: boolean;
  revisionId: string | null;
  verdict: RunVerdict;
  record: AttemptRecord;
  logs: AttemptLogLine[];
}

export interface AttemptLogLine {
  at: Date;
  level: string;
  message: string;
  fields?: JsonObject | undefined;
}

export interface FinishReport {
  /** Those of the attempts whose runs were still this worker's, by the claim they were made under. */
  recorded: Set<FinishedAttempt>;
  /** Those somebody waits for. */
  awaited: string[];
  /** The limit keys of which permits came back that runs wait for: to be granted. */
  wantedKeys: string[];
}

const VERDICTS = `
  verdicts AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS v(id uuid, claim_no int, revision_id uuid, state text,
      available_at timestamptz, result jsonb, error jsonb, record jsonb)
  )`;

const OURS = `r.id = v.id AND r.worker_id = $1 AND r.claim_no = v.claim_no
  AND ${unindexed("r.state")} = 'running'`;

/** Writes the lines $3 of those attempts that `source` (id, claim_no, shift) holds, moved to the times of their rows. */
export const LOGGED = (source: string) => `
  logged AS (
    INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message, fields)
    SELECT l.at + s.shift, l.namespace_id, l.run_id, l.attempt, l.function_id, l.revision_id, l.level, l.message, l.fields
    FROM ROWS FROM (json_to_recordset($3::json) AS (at timestamptz, namespace_id uuid, run_id uuid, claim_no int,
      attempt int, function_id uuid, revision_id uuid, level text, message text, fields jsonb)) WITH ORDINALITY
      AS l(at, namespace_id, run_id, claim_no, attempt, function_id, revision_id, level, message, fields, line_no)
    JOIN ${source} s ON s.id = l.run_id AND s.claim_no = l.claim_no
    -- Their numbers are given in this order, whatever the join makes of it.
    ORDER BY l.line_no
  )`;

const ANSWERED = `id, claim_no AS "claimNo", awaited, permits`;

// The row that is taken names its verdict: a worker may hold two of one run, from before and after it was lost.
/** `rest`: what becomes of the permits of `gone`, and the rows that are answered. */
const moveTerminal = (rest: string) => `
  WITH ${VERDICTS},
  gone AS (
    DELETE FROM task_runs_open r USING verdicts v WHERE ${OURS}
    RETURNING r.*, v.state AS end_state, v.revision_id AS end_revision_id, v.result AS end_result,
      v.error AS end_error, ${recordInRowTime("v.record", "r.started_at")} AS end_record,
      ${shiftToRowTime("v.record", "r.started_at")} AS shift
  ),
  moved AS (${moveEnded({
    state: "g.end_state",
    revisionId: "g.end_revision_id",
    result: "g.end_result",
    error: "g.end_error",
    attempts: "g.attempts || g.end_record",
  })}
  ), ${LOGGED("gone")} ${rest}`;

const KEEP_OPEN_TEXT = `
  WITH ${VERDICTS},
  kept AS (
    UPDATE task_runs_open r
    SET state = v.state, revision_id = v.revision_id, result = v.result, error = v.error,
      attempts = r.attempts || (${recordInRowTime("v.record", "r.started_at")}),
      attempt = r.attempt + (v.state = 'scheduled')::int,
      available_at = coalesce(v.available_at, r.available_at),
      dead_at = CASE WHEN v.state = 'dead' THEN clock_timestamp() END
    FROM verdicts v
    WHERE ${OURS} AND NOT (v.state = 'scheduled' AND r.cancel_requested_at IS NOT NULL)
    RETURNING r.id, r.claim_no, r.awaited, r.permits, ${shiftToRowTime("v.record", "r.started_at")} AS shift
  ), ${LOGGED("kept")} SELECT ${ANSWERED} FROM kept`;

const MOVE_TERMINAL = { name: "finish-terminal", text: moveTerminal(`SELECT ${ANSWERED} FROM gone`) };
/** The same of runs that hold permits: planned for longer. */
const MOVE_LIMITED = {
  name: "finish-limited",
  text: moveTerminal(`, ${givePermitsBack("gone")} SELECT ${ANSWERED}, ${WANTED_KEYS} FROM gone`),
};
const KEEP_OPEN = { name: "finish-open", text: KEEP_OPEN_TEXT };

interface FinishedRow {
  id: string;
  claimNo: number;
  awaited: boolean;
  permits: string[] | null;
  wantedKeys?: string[] | null;
}

/**
 * Records a batch of attempts that ended, with their logs: one statement, or two in one transaction where some stay
 * open. A run that waits for a retry and was asked to stop meanwhile ends as cancelled instead.
 */
export async function finishAttempts(
  store: Store,
  workerId: string,
  attempts: FinishedAttempt[],
): Promise<FinishReport> {
  const isOpen = ({ verdict }: FinishedAttempt) => verdict.state === "scheduled" || verdict.state === "dead";
  const open = attempts.filter(isOpen);
  const terminal = attempts.filter((attempt) => !isOpen(attempt));
  if (open.length === 0) {
    const isLimited = terminal.some(({ holdsPermits }) => holdsPermits);
    const rows = await writeVerdicts(
      store.pool,
      isLimited ? MOVE_LIMITED : MOVE_TERMINAL,
      workerId,
      terminal,
    );
    // A limit that was set while they ran, or a count of permits, has given them some.
    const wantedKeys = isLimited
      ? rows.flatMap((row) => row.wantedKeys ?? [])
      : await returnPermits(
          store,
          rows.map(({ permits }) => permits),
        );
    return toReport(attempts, rows, wantedKeys);
  }
  return await inTransaction(store.pool, async ({ pool: client }) => {
    const kept = await writeVerdicts(client, KEEP_OPEN, workerId, open);
    const keptKeys = new Set(kept.map(toRowKey));
    const unwanted = open
      .filter((attempt) => attempt.verdict.state === "scheduled" && !keptKeys.has(toKey(attempt)))
      .map((attempt): FinishedAttempt => ({ ...attempt, verdict: { state: "cancelled" } }));
    const moved = await writeVerdicts(client, MOVE_TERMINAL, workerId, [...terminal, ...unwanted]);
    const rows = [...kept, ...moved];
    const wantedKeys = await returnPermits(
      { pool: client },
      rows.map(({ permits }) => permits),
    );
    return toReport(attempts, rows, wantedKeys);
  });
}

async function writeVerdicts(
  client: pg.Pool | pg.PoolClient,
  statement: { name: string; text: string },
  workerId: string,
  attempts: FinishedAttempt[],
): Promise<FinishedRow[]> {
  if (attempts.length === 0) return [];
  const values = [workerId, toJsonText(attempts.map(toVerdictRow)), toJsonText(attempts.flatMap(toLogRows))];
  const { rows } = await client.query<FinishedRow>({ ...statement, values });
  return rows;
}

/** A run may be in a batch twice: once by the claim that was lost, once by the claim that took it back. */
const toKey = ({ runId, claimNo }: Pick<FinishedAttempt, "runId" | "claimNo">) => `${runId}/${claimNo}`;
const toRowKey = ({ id, claimNo }: FinishedRow) => toKey({ runId: id, claimNo });

function toReport(attempts: FinishedAttempt[], rows: FinishedRow[], wantedKeys: string[]): FinishReport {
  const keys = new Set(rows.map(toRowKey));
  return {
    recorded: new Set(attempts.filter((attempt) => keys.has(toKey(attempt)))),
    awaited: rows.filter(({ awaited }) => awaited).map(({ id }) => id),
    wantedKeys: [...new Set(wantedKeys)],
  };
}

export function toVerdictRow({ runId, claimNo, revisionId, verdict, record }: FinishedAttempt) {
  return {
    id: runId,
    claim_no: claimNo,
    revision_id: revisionId,
    state: verdict.state,
    available_at: verdict.state === "scheduled" ? verdict.availableAt : null,
    // A JSON null as the result of a function is a result: stored as such, read back as null.
    result: "result" in verdict ? verdict.result : null,
    error: "error" in verdict ? verdict.error : null,
    record,
  };
}

export function toLogRows(attempt: FinishedAttempt) {
  const { runId, claimNo, namespaceId, functionId, revisionId, record, logs } = attempt;
  return logs.map(({ at, level, message, fields }) => ({
    at,
    namespace_id: namespaceId,
    run_id: runId,
    claim_no: claimNo,
    attempt: record.attempt,
    function_id: functionId,
    revision_id: revisionId,
    level,
    message,
    fields: fields ?? null,
  }));
}

export interface Released {
  runIds: string[];
  /** The limit keys of which permits came back that runs wait for: to be granted. */
  wantedKeys: string[];
}

/**
 * running → queued: a worker gives back what it will not finish. The attempt does not count. Those that were asked to
 * stop are left to the lease: the rescue ends them as cancelled.
 */
export async function releaseRuns(
  store: Store,
  workerId: string,
  runs: { id: string; claimNo: number }[],
): Promise<Released> {
  const { rows } = await store.pool.query<{ id: string; wantedKeys: string[] | null }>(
    `WITH released AS (
       UPDATE task_runs_open r SET state = 'queued', worker_id = NULL, started_at = NULL,
         available_at = statement_timestamp(), queued_at = statement_timestamp()
       FROM json_to_recordset($2::json) AS v(id uuid, "claimNo" int)
       WHERE r.id = v.id AND r.worker_id = $1 AND r.claim_no = v."claimNo" AND r.state = 'running'
         AND r.cancel_requested_at IS NULL
       RETURNING r.id, r.permits
     ), ${givePermitsBack("released")}
     SELECT id, ${WANTED_KEYS} FROM released`,
    [workerId, JSON.stringify(runs.map(({ id, claimNo }) => ({ id, claimNo })))],
  );
  const wantedKeys = new Set(rows.flatMap((row) => row.wantedKeys ?? []));
  return { runIds: rows.map(({ id }) => id), wantedKeys: [...wantedKeys] };
}
