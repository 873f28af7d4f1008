/**
 * How a run ends. Whoever ends a run takes its open row by id, claim number and worker, or under a lock, in a CTE
 * `gone`; the final row is built from exactly what was taken: one row taken, one row written. An attempt after which
 * the run continues leaves the row open instead, behind the same fence. What workers record is in finish-statements.ts,
 * what becomes of the row's columns in final-row.ts. Each statement returns everything that others need to know about the
 * end (`EndedRun`).
 */
import { EVENTS_OF } from "../../domain/callbacks.ts";
import type { RunError } from "../../domain/run-errors.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { givePermitsBack, WANTED_KEYS } from "../limits/permits.ts";
import { type EndColumns, moveEnded } from "./final-row.ts";
import { isHeld } from "./held.ts";

/** Who ended it: the worker that ran it, or who did so in its place. `completion`: who was sent its request, or nobody in time. */
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
