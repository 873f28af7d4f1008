/** How the attempts of workers are recorded: what they end becomes final rows, what is to go on stays open. */
import { byIndex } from "../by-index.ts";
import { tellDead } from "../events/record.ts";
import { givePermitsBack, layPermitsBeside, WANTED_KEYS } from "../limits/permits.ts";
import { unindexed } from "../unindexed.ts";
import { callBack } from "./end.ts";
import type { RecordingStatement } from "./end-answer.ts";
import { type EndColumns, KEPT_INPUT, moveEnded } from "./final-row.ts";
import { recordInRowTime } from "./row-time.ts";
import { VERDICTS } from "./verdicts.ts";
import { writeLinesOfVerdicts } from "./write-lines.ts";

export const FENCED = `${byIndex("r.id", "v.id")} AND r.worker_id = coalesce(v.worker_id, $1) AND r.claim_no = v.claim_no
  AND ${unindexed("r.state")} = 'running'`;

/** One that tells its times tells them by the row's clock. */
const RECORD = `CASE WHEN v.record ? 'finishedAt' THEN v.record
    ELSE ${recordInRowTime("v.record", "r.started_at", "v.took_ms")} END`;

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
      v.error AS end_error, v.input AS end_input, v.verdict_no, ${RECORD} AS end_record
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
  ), ${writeLinesOfVerdicts("gone", { revisionId: "s.end_revision_id" })} ${rest}`;

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
      r.claim_no AS kept_claim_no, v.record, v.verdict_no, v.state AS end_state, v.error AS end_error
  ), ${writeLinesOfVerdicts("kept", { attempt: "(s.record ->> 'attempt')::int" })}, ${tellDead("kept")} ${rest}
  SELECT ${ANSWERED} FROM kept`;

export const KEEP_OPEN: RecordingStatement = { name: "finish-open", text: keepOpen(""), answers: "each" };

/** The same of runs some of which call somebody when they are dead. */
export const KEEP_OPEN_CALLING: RecordingStatement = {
  name: "finish-open-calling",
  text: keepOpen(`, ${callBack("kept", "g.end_state", "g.end_error")}`),
  answers: "each",
};
