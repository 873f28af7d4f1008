/**
 * How a run ends. Whoever ends a run takes its open row by id, claim number and worker, or under a lock, in a CTE
 * `gone`; the final row is built from exactly what was taken: one row taken, one row written. An attempt after which
 * the run continues leaves the row open instead, behind the same fence. Each statement returns everything that others
 * need to know about the end (`EndedRun`).
 */
import { EVENTS_OF } from "../../domain/callbacks.ts";
import { MAX_ORIGINAL_INPUT_BYTES } from "../../domain/kept-input.ts";
import type { RunError } from "../../domain/run-errors.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { byIndex } from "../by-index.ts";
import { tellDead } from "../events/record.ts";
import { givePermitsBack, layPermitsBeside, WANTED_KEYS } from "../limits/permits.ts";
import type { TaskRunsTable } from "../schema.ts";
import { unindexed } from "../unindexed.ts";
import { atLeastAfter } from "../xid.ts";
import type { RecordingStatement } from "./end-answer.ts";
import { isHeld } from "./held.ts";
import { lineInRowTime, recordInRowTime } from "./row-time.ts";
import { VERDICTS } from "./verdicts.ts";

/** Who ended it: the worker that ran it, or who did so in its place. */
/** `completion`: who was sent its request, or nobody in time. */
export type EndCause = "worker" | "completion" | "rescue" | "cancel" | "discard" | "expiry" | "lost_call";

/** Final, a dead letter, waiting for its next attempt (`scheduled`), or given back (`queued`). */
export type EndState = "succeeded" | "failed" | "cancelled" | "expired" | "dead" | "scheduled" | "queued";

/** A run that is not running, or not waiting, any more. */
export interface EndedRun<S extends EndState = EndState> {
  runId: string;
  /** Of the claim that this ends. */
  claimNo: number;
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  trigger: RunTrigger;
  functionId: string | null;
  /** Null as well where who ended it has not looked it up: a cancel, a discard, a give-back. */
  functionName: string | null;
  attempt: number;
  cause: EndCause;
  /** What it became. */
  state: S;
  error: RunError | null;
  /** A caller waits for its end. */
  awaited: boolean;
  /** It calls somebody: their runs may be made. */
  hasCallbacks: boolean;
  /** The limit keys of which it gave permits back that runs wait for: to be granted. */
  wantedKeys: string[] | null;
  startedAt: Date | null;
  endedAt: Date;
  /** Its task wants to be paused after so many that failed; left out: it does not, or nobody looked it up. */
  pausesTask?: true;
  /** A later run of its task may wait for its end; left out: none does, or nobody looked it up. */
  mayHoldNext?: true;
}

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
const KEPT_INPUT = `CASE WHEN g.trigger IN ('http', 'hook') THEN jsonb_build_object('request',
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
function moveEnded({
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

/** An `EndedRun`, of a row `g` whose permits were given back (`givePermitsBack`), or that held none. */
export const endedColumns = (
  cause: EndCause,
  {
    state,
    error = "g.error",
    functionName = "NULL::text",
  }: Pick<EndColumns, "state" | "error" | "functionName">,
  wantedKeys = WANTED_KEYS,
) => `g.id AS "runId", g.claim_no AS "claimNo", g.namespace_id AS "namespaceId", g.task_id AS "taskId", g.type,
    g.trigger, g.function_id AS "functionId", ${functionName} AS "functionName", g.attempt, '${cause}' AS cause,
    ${state} AS state, ${error} AS error, g.awaited,
    g.on_end IS NOT NULL AS "hasCallbacks",
    ${wantedKeys}, g.started_at AS "startedAt", clock_timestamp() AS "endedAt"`;

/**
 * What ends of rows of `source` call, to be made runs (callbacks/make-callbacks.ts); of rows that call nobody nothing.
 * It is written by the statement that ends the run: as long as there is the end, there is the callback.
 */
export const callBack = (source: string, state: string, error: string) => `
  called AS (
    INSERT INTO run_callbacks (run_id, namespace_id, task_id, state, error, on_end)
    SELECT g.id, g.namespace_id, g.task_id, ${state}, ${error}, g.on_end FROM ${source} g
    WHERE g.on_end ?| ${eventsOf(state)}
  )`;

/** The events of a state that is an SQL expression, as an array; none of one that is no end. */
const eventsOf = (state: string) =>
  `(CASE ${state} ${Object.entries(EVENTS_OF)
    .map(([of, events]) => `WHEN '${of}' THEN '{${events.join(",")}}'`)
    .join(" ")} END)::text[]`;

/**
 * queued → skipped, of runs $1 that were held (held.ts), with why. Nobody waits for the end of such a run, and it holds
 * no permit: but for its callbacks, nothing follows.
 */
export const SKIP_HELD = {
  name: "skip-held",
  text: `
  WITH gone AS (
    DELETE FROM task_runs_open r USING json_to_recordset($1::json) AS v(id uuid, skipped jsonb)
    WHERE r.id = v.id AND r.state = 'queued' AND ${isHeld("r")}
    RETURNING r.*, v.skipped AS end_skipped
  ), ended AS (${moveEnded({ state: "'skipped'", skipped: "g.end_skipped" })}
  ), ${callBack("gone", "'skipped'", "g.error")} SELECT id FROM gone`,
};

export interface EndStatement {
  /** The parts that follow `gone`: the final rows, and the permits that come back. */
  move: string;
  /** What to select from `gone g`: an `EndedRun`. */
  columns: string;
}

/** For who ends runs without a verdict of each: a cancel, a discard, a call that is given up. */
export const endTaken = (
  cause: EndCause,
  columns: EndColumns,
  /** Which rows `r` hold their permits. */
  holding: string,
): EndStatement => ({
  move: [
    `ended AS (${moveEnded(columns)})`,
    // A dead letter has called at its death.
    ...(cause === "discard" ? [] : [callBack("gone", columns.state, columns.error ?? "g.error")]),
    givePermitsBack("gone r", holding),
  ].join(", "),
  columns: endedColumns(cause, columns),
});

export const FENCED = `${byIndex("r.id", "v.id")} AND r.worker_id = coalesce(v.worker_id, $1) AND r.claim_no = v.claim_no
  AND ${unindexed("r.state")} = 'running'`;

/** One that tells its times tells them by the row's clock. */
const RECORD = `CASE WHEN v.record ? 'finishedAt' THEN v.record
    ELSE ${recordInRowTime("v.record", "r.started_at", "v.took_ms")} END`;

/** Writes the lines of the attempts that `source` holds: a run's columns, its attempt's number, and its `lines`. */
export const writeLines = (
  source: string,
  { attempt = "s.attempt", revisionId = "s.revision_id" }: { attempt?: string; revisionId?: string } = {},
) => `
  logged AS (
    INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message, fields)
    SELECT ${lineInRowTime("s.started_at", "l.since_ms")}, s.namespace_id, s.id, ${attempt}, s.function_id,
      ${revisionId}, l.level, l.message, l.fields
    FROM ${source} s CROSS JOIN LATERAL ROWS FROM (
      json_to_recordset(s.lines) AS (since_ms float8, level text, message text, fields jsonb)
    ) WITH ORDINALITY AS l(since_ms, level, message, fields, line_no)
    -- Those of a run are numbered in this order, whatever else a plan makes of it.
    ORDER BY l.line_no
  )`;

const ANSWERED_OF_LIMITED = `id, claim_no AS "claimNo", awaited`;
export const ANSWERED = `${ANSWERED_OF_LIMITED}, permits`;

/**
 * running → final. The row that is taken names its verdict: a worker may hold two of one run, from before and after it
 * was lost. `rest`: what becomes of the permits of `gone`, and the rows that are answered.
 */
const moveTerminal = (rest: string, own: Pick<EndColumns, "attempts" | "startedAt" | "startedXid"> = {}) => `
  WITH ${VERDICTS},
  gone AS (
    DELETE FROM task_runs_open r USING verdicts v WHERE ${FENCED}
    RETURNING r.*, v.state AS end_state, v.revision_id AS end_revision_id, v.result AS end_result,
      v.error AS end_error, v.input AS end_input, v.lines, ${RECORD} AS end_record
  ),
  moved AS (${moveEnded({
    state: "g.end_state",
    revisionId: "g.end_revision_id",
    result: "g.end_result",
    error: "g.end_error",
    attempts: "g.attempts || g.end_record",
    // A worker that says nothing of it leaves it as every other end does.
    input: `CASE WHEN g.end_record ? 'input' THEN g.end_input ELSE ${KEPT_INPUT} END`,
    ...own,
  })}
  ), ${writeLines("gone", { revisionId: "s.end_revision_id" })} ${rest}`;

/**
 * One row for all: how many there are, and `told` those of which there is more to say. Where fewer are there than were
 * given, all are told.
 */
const COUNTED = `count(*)::int AS moved, json_agg(
    json_build_object('id', id, 'claimNo', claim_no, 'awaited', awaited, 'permits', permits)
  ) FILTER (WHERE awaited OR permits IS NOT NULL OR (SELECT count(*) FROM gone) < cardinality($2::text[])) AS told`;

export const MOVE_TERMINAL: RecordingStatement = {
  name: "finish-terminal",
  text: moveTerminal(`SELECT ${COUNTED} FROM gone`),
  answers: "counted",
};

const CALLED_BY_GONE = callBack("gone", "g.end_state", "g.end_error");

/** The same of runs some of which call somebody at their end. */
export const MOVE_CALLING: RecordingStatement = {
  name: "finish-calling",
  text: moveTerminal(`, ${CALLED_BY_GONE} SELECT ${ANSWERED} FROM gone`),
  answers: "each",
};

/** The same of runs that hold permits: planned for longer. */
export const MOVE_LIMITED: RecordingStatement = {
  name: "finish-limited",
  text: moveTerminal(`, ${givePermitsBack("gone")}
    SELECT ${ANSWERED_OF_LIMITED}, ${WANTED_KEYS}, NOT EXISTS (SELECT FROM permits_back) AS "areFar" FROM gone`),
  answers: "each",
};

/** The same where their limits are expected to be far off: `nearKeys` are those that are not. */
export const MOVE_FAR: RecordingStatement = {
  name: "finish-far",
  text: moveTerminal(`, ${layPermitsBeside("gone")}
    SELECT ${ANSWERED_OF_LIMITED}, (SELECT array_agg(key) FROM near) AS "nearKeys",
      CASE WHEN EXISTS (SELECT FROM near) THEN permits END AS permits FROM gone`),
  answers: "each",
};

/** The same of runs whose attempt did not begin: of the claim nothing stays. */
export const MOVE_EXPIRED: RecordingStatement = {
  name: "finish-expired",
  text: moveTerminal(`, ${CALLED_BY_GONE} SELECT ${ANSWERED} FROM gone`, {
    attempts: "g.attempts",
    startedAt: "NULL",
    startedXid: "NULL",
  }),
  answers: "each",
};

/**
 * running → scheduled, or dead; not where a run that would be tried again was asked to stop. What is taken from a lost
 * worker has its claim number moved on: one that only slept cannot finish it.
 */
const keepOpen = (rest: string) => `
  WITH ${VERDICTS},
  kept AS (
    UPDATE task_runs_open r
    SET state = v.state, revision_id = v.revision_id, result = v.result, error = v.error,
      attempts = r.attempts || (${RECORD}), claim_no = r.claim_no + (v.worker_id IS NOT NULL)::int,
      attempt = r.attempt + (v.state = 'scheduled')::int,
      available_at = coalesce(v.available_at, r.available_at),
      dead_at = CASE WHEN v.state = 'dead' THEN clock_timestamp() END
    FROM verdicts v
    WHERE ${FENCED} AND NOT (v.state = 'scheduled' AND r.cancel_requested_at IS NOT NULL)
    RETURNING r.id, v.claim_no, r.awaited, r.permits, r.started_at, r.namespace_id, r.task_id, r.function_id, r.revision_id,
      r.type, r.trigger, r.attempt, r.scheduled_for, r.replay_of, r.callback_of, r.on_end, r.started_xid,
      r.claim_no AS kept_claim_no, v.record, v.lines, v.state AS end_state, v.error AS end_error
  ), ${writeLines("kept", { attempt: "(s.record ->> 'attempt')::int" })}, ${tellDead("kept")} ${rest}
  SELECT ${ANSWERED} FROM kept`;

export const KEEP_OPEN: RecordingStatement = { name: "finish-open", text: keepOpen(""), answers: "each" };

/** The same of runs some of which call somebody when they are dead. */
export const KEEP_OPEN_CALLING: RecordingStatement = {
  name: "finish-open-calling",
  text: keepOpen(`, ${callBack("kept", "g.end_state", "g.end_error")}`),
  answers: "each",
};
