/** The final row of a run: built from the open row that whoever ends it has taken, in a CTE `gone`. */
import { MAX_ORIGINAL_INPUT_BYTES } from "../../domain/kept-input.ts";
import type { TaskRunsTable } from "../schema.ts";
import { atLeastAfter } from "../xid.ts";

/** What becomes of a column when its run ends: taken along, written by the end, or left behind. */
const AT_END: Record<keyof TaskRunsTable, "kept" | "written" | "left"> = {
  id: "kept",
  namespace_id: "kept",
  task_id: "kept",
  function_id: "kept",
  type: "kept",
  trigger: "kept",
  attempt: "kept",
  attempt_offset: "kept",
  claim_no: "kept",
  scheduled_for: "kept",
  available_at: "kept",
  queued_at: "kept",
  worker_id: "kept",
  cancel_requested_at: "kept",
  awaited: "kept",
  timeout_ms: "kept",
  max_attempts: "kept",
  traceparent: "kept",
  target: "kept",
  replay_of: "kept",
  callback_of: "kept",
  queued_xid: "kept",
  input: "written",
  original_input: "written",
  state: "written",
  revision_id: "written",
  result: "written",
  error: "written",
  attempts: "written",
  started_at: "written",
  started_xid: "written",
  finished_at: "written",
  recorded_xid: "written",
  room: "left",
  queue: "kept",
  priority: "kept",
  limit_keys: "written",
  permits: "left",
  waiting_for: "left",
  waiting_key: "left",
  turn: "left",
  turn_key: "left",
  dead_at: "left",
  complete_by: "left",
  redriven_at: "left",
  skipped: "written",
  on_end: "left",
};

const KEPT = Object.entries(AT_END).flatMap(([column, fate]) => (fate === "kept" ? [column] : []));

/** What is shown of a stored request: its headers and its body may hold secrets. */
export const KEPT_INPUT = `CASE WHEN g.trigger IN ('http', 'hook') THEN jsonb_build_object('request',
    jsonb_build_object('method', g.input #> '{request,method}', 'url', g.input #> '{request,url}')) ELSE g.input END`;

/** As `keepOriginal` has it, of what stood in the row: a run that succeeded pays for one comparison. */
const originalInput = (state: string, input: string) =>
  `CASE WHEN ${state} <> 'succeeded' AND g.task_id IS NULL AND g.trigger <> 'http'
      AND g.input IS DISTINCT FROM (${input}) AND octet_length(g.input::text) <= ${MAX_ORIGINAL_INPUT_BYTES} THEN g.input END`;

/** For a replay: of a run that is in a queue by name. */
const KEPT_LIMIT_KEYS = "CASE WHEN g.queue IS NOT NULL THEN g.limit_keys END";

const KEPT_FROM_GONE = KEPT.map((column) => `g.${column}`);

/** SQL expressions over the deleted row `g`; what is left out stays as it was. */
export interface EndColumns {
  state: string;
  revisionId?: string;
  result?: string;
  error?: string;
  attempts?: string;
  /** The two say one thing: where there is no instant there is no transaction. */
  startedAt?: string;
  startedXid?: string;
  input?: string;
  /** Of a run that is skipped. */
  skipped?: string;
  /** For who is told: no column of the row. */
  functionName?: string;
}

/** The final rows of what `gone` deleted. */
export function moveEnded({
  state,
  revisionId = "g.revision_id",
  result = "g.result",
  error = "g.error",
  attempts = "g.attempts",
  startedAt = "g.started_at",
  startedXid = "g.started_xid",
  input = KEPT_INPUT,
  skipped,
}: EndColumns): string {
  return `
    INSERT INTO task_runs (${KEPT.join(", ")}, limit_keys, input, original_input, revision_id, result, error, attempts, started_at,
      started_xid, finished_at, recorded_xid, state${skipped ? ", skipped" : ""})
    SELECT ${KEPT_FROM_GONE.join(", ")}, ${KEPT_LIMIT_KEYS}, ${input}, ${originalInput(state, input)}, ${revisionId}, ${result}, ${error},
      ${attempts}, ${startedAt}, ${startedXid}, clock_timestamp(), ${atLeastAfter("g.queued_xid", "g.started_xid")},
      ${state}${skipped ? `, ${skipped}` : ""}
    FROM gone g`;
}
