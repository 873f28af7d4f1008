/**
 * What a run takes along, as it is, from the open partition to its day's. The statements that move one add its final
 * state, its instant and what the end brought.
 */
export const MOVED_COLUMNS = `id, namespace_id, task_id, function_id, type, trigger, attempt, attempt_offset, claim_no,
  scheduled_for, available_at, queued_at, started_at, worker_id, cancel_requested_at, awaited, timeout_ms, traceparent, input`;

/** A stored request has served its purpose: its headers and its body may hold secrets. */
const KEPT_INPUT = `CASE WHEN g.trigger IN ('http', 'hook') THEN jsonb_build_object('request',
    jsonb_build_object('method', g.input #> '{request,method}', 'url', g.input #> '{request,url}')) ELSE g.input END`;

/** The same, of the row `g` that was deleted. */
export const MOVED_FROM_GONE = MOVED_COLUMNS.replaceAll(/(\w+)/g, "g.$1").replace("g.input", KEPT_INPUT);
