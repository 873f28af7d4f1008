/**
 * running → what the attempt made of it, in batches. Every line is fenced by run, worker and claim number: a run
 * that was rescued meanwhile is not touched, and its late logs are dropped with its late result.
 */
import type { AttemptRecord } from "../../contracts/run.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { JsonObject } from "../../json.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { cancelRuns } from "./cancel.ts";

export interface FinishedAttempt {
  runId: string;
  claimNo: number;
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  functionId: string | null;
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
  /** Those that were still this worker's. */
  recorded: Set<string>;
  /** Those somebody waits for. */
  awaited: string[];
}

const VERDICTS = `
  verdicts AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS v(id uuid, claim_no int, revision_id uuid, state text,
      available_at timestamptz, result jsonb, error jsonb, record jsonb)
  )`;

const OURS = `r.id = v.id AND r.worker_id = $1 AND r.claim_no = v.claim_no AND r.state || '' = 'running'`;

const LOGGED = (source: string) => `
  logged AS (
    INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message, fields)
    SELECT l.at, l.namespace_id, l.run_id, l.attempt, l.function_id, l.revision_id, l.level, l.message, l.fields
    FROM json_to_recordset($3::json) AS l(at timestamptz, namespace_id uuid, run_id uuid, attempt int,
      function_id uuid, revision_id uuid, level text, message text, fields jsonb)
    JOIN ${source} s ON s.id = l.run_id
  )`;

const MOVED_COLUMNS = `id, namespace_id, task_id, function_id, type, trigger, attempt, attempt_offset, claim_no,
  scheduled_for, available_at, queued_at, started_at, worker_id, cancel_requested_at, awaited, timeout_ms, input`;

const MOVE_TERMINAL = `
  WITH ${VERDICTS},
  gone AS (DELETE FROM task_runs_open r USING verdicts v WHERE ${OURS} RETURNING r.*),
  moved AS (
    INSERT INTO task_runs (${MOVED_COLUMNS}, finished_at, state, revision_id, result, error, attempts)
    SELECT ${MOVED_COLUMNS.replaceAll(/(\w+)/g, "g.$1")}, clock_timestamp(), v.state, v.revision_id, v.result,
      v.error, g.attempts || v.record
    FROM gone g JOIN verdicts v ON v.id = g.id
  ), ${LOGGED("gone")}
  SELECT id, awaited, false AS unwanted FROM gone`;

const KEEP_OPEN = `
  WITH ${VERDICTS},
  kept AS (
    UPDATE task_runs_open r
    SET state = v.state, revision_id = v.revision_id, result = v.result, error = v.error,
      attempts = r.attempts || v.record,
      attempt = r.attempt + (v.state = 'scheduled')::int,
      available_at = coalesce(v.available_at, r.available_at),
      dead_at = CASE WHEN v.state = 'dead' THEN clock_timestamp() END
    FROM verdicts v WHERE ${OURS}
    RETURNING r.id, r.awaited, r.state = 'scheduled' AND r.cancel_requested_at IS NOT NULL AS unwanted
  ), ${LOGGED("kept")}
  SELECT id, awaited, unwanted FROM kept`;

interface FinishedRow {
  id: string;
  awaited: boolean;
  /** Waits for a retry, and was asked to stop. */
  unwanted: boolean;
}

/** Records a batch of attempts that ended, with their logs: at most two statements, whatever its size. */
export async function finishAttempts(
  store: Store,
  workerId: string,
  attempts: FinishedAttempt[],
): Promise<FinishReport> {
  const isOpen = ({ verdict }: FinishedAttempt) => verdict.state === "scheduled" || verdict.state === "dead";
  const report: FinishReport = { recorded: new Set(), awaited: [] };
  const parts = [
    { name: "finish-terminal", text: MOVE_TERMINAL, part: attempts.filter((attempt) => !isOpen(attempt)) },
    { name: "finish-open", text: KEEP_OPEN, part: attempts.filter(isOpen) },
  ];
  for (const { name, text, part } of parts) {
    if (part.length === 0) continue;
    const values = [workerId, toJsonText(part.map(toVerdictRow)), toJsonText(part.flatMap(toLogRows))];
    const { rows } = await store.pool.query<FinishedRow>({ name, text, values });
    for (const { id, awaited } of rows) {
      report.recorded.add(id);
      if (awaited) report.awaited.push(id);
    }
    // Asked to stop while it failed by itself: it is not tried again.
    const unwanted = new Set(rows.filter((row) => row.unwanted).map(({ id }) => id));
    for (const { runId, namespaceId } of part) {
      if (unwanted.has(runId)) await cancelRuns(store.db, namespaceId, { runId });
    }
  }
  return report;
}

function toVerdictRow({ runId, claimNo, revisionId, verdict, record }: FinishedAttempt) {
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

function toLogRows({ runId, namespaceId, functionId, revisionId, record, logs }: FinishedAttempt) {
  return logs.map(({ at, level, message, fields }) => ({
    at,
    namespace_id: namespaceId,
    run_id: runId,
    attempt: record.attempt,
    function_id: functionId,
    revision_id: revisionId,
    level,
    message,
    fields: fields ?? null,
  }));
}

/**
 * running → queued: a worker that drains gives back what it did not finish. The attempt does not count. Those that
 * were asked to stop are cancelled instead.
 */
export async function releaseRuns(
  store: Store,
  workerId: string,
  runs: { id: string; claimNo: number }[],
): Promise<string[]> {
  const { rows } = await store.pool.query<{ id: string; namespaceId: string; unwanted: boolean }>(
    `UPDATE task_runs_open r SET state = 'queued', worker_id = NULL, started_at = NULL,
       available_at = statement_timestamp(), queued_at = statement_timestamp()
     FROM json_to_recordset($2::json) AS v(id uuid, "claimNo" int)
     WHERE r.id = v.id AND r.worker_id = $1 AND r.claim_no = v."claimNo" AND r.state = 'running'
     RETURNING r.id, r.namespace_id AS "namespaceId", r.cancel_requested_at IS NOT NULL AS unwanted`,
    [workerId, JSON.stringify(runs)],
  );
  for (const { id, namespaceId, unwanted } of rows) {
    if (unwanted) await cancelRuns(store.db, namespaceId, { runId: id });
  }
  return rows.filter(({ unwanted }) => !unwanted).map(({ id }) => id);
}
