/**
 * The one way in which an open run's row becomes its final one. Whoever ends a run deletes its row by id and claim
 * number in a CTE `gone`, and this puts exactly those rows into their day's partition: one row taken, one row written.
 */

/** What a run takes along as it is. */
const MOVED_COLUMNS = `id, namespace_id, task_id, function_id, type, trigger, attempt, attempt_offset, claim_no,
  scheduled_for, available_at, queued_at, started_at, worker_id, cancel_requested_at, awaited, timeout_ms, traceparent, input`;

/** A stored request has served its purpose: its headers and its body may hold secrets. */
const KEPT_INPUT = `CASE WHEN g.trigger IN ('http', 'hook') THEN jsonb_build_object('request',
    jsonb_build_object('method', g.input #> '{request,method}', 'url', g.input #> '{request,url}')) ELSE g.input END`;

/** The same, of the row `g` that was deleted. */
const MOVED_FROM_GONE = MOVED_COLUMNS.replaceAll(/(\w+)/g, "g.$1").replace("g.input", KEPT_INPUT);

/** SQL expressions over the deleted row `g`; what is left out stays as it was. */
export interface EndColumns {
  state: string;
  revisionId?: string;
  result?: string;
  error?: string;
  attempts?: string;
}

/** The statement's part that inserts the final rows of what `gone` deleted. */
export function moveEnded({
  state,
  revisionId = "g.revision_id",
  result = "g.result",
  error = "g.error",
  attempts = "g.attempts",
}: EndColumns): string {
  return `
    INSERT INTO task_runs (${MOVED_COLUMNS}, revision_id, result, error, attempts, finished_at, state)
    SELECT ${MOVED_FROM_GONE}, ${revisionId}, ${result}, ${error}, ${attempts}, clock_timestamp(), ${state}
    FROM gone g`;
}
