/**
 * Events that have a row: what becomes of tasks, deaths and redrives. Each is written by the transaction that brings it
 * about. All others are read from the rows of runs, which pay nothing for them (read.ts).
 */
import { isWrittenAsStored } from "../../contracts/schedule-fields.ts";
import type { Task } from "../../contracts/task-output.ts";
import type { KeptEventType, TaskEvent } from "../../domain/events.ts";
import { createInstantWriter } from "../../instant-text.ts";
import type { QueryScope } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { atLeastAfter, CURRENT_XID } from "../xid.ts";

/** Of an error, as events show it: more is in its run. */
export const MAX_EVENT_ERROR_CHARS = 2_000;

const MAX_STACK_CHARS = 2_000;

/** SQL: what is shown of an error. */
export const shownError = (error: string) => `CASE WHEN ${error} IS NOT NULL THEN jsonb_build_object(
  'code', ${error} ->> 'code', 'message', left(${error} ->> 'message', ${MAX_EVENT_ERROR_CHARS})) END`;

/** SQL: as much of an error's stack as tells where it comes from. */
export const shownStack = (error: string) => `left(${error} #>> '{details,stack}', ${MAX_STACK_CHARS})`;

/** SQL: what an event says of its run `g`. */
export const runData = (
  error: string,
) => `jsonb_build_object('type', g.type, 'trigger', g.trigger, 'attempt', g.attempt,
  'scheduledFor', g.scheduled_for, 'replayOf', g.replay_of, 'callbackOf', g.callback_of, 'error', ${shownError(error)})`;

interface Told {
  type: KeptEventType;
  source: string;
  xid: string;
  error: string;
  claimNo?: string;
}

const tellRuns = ({ type, source, xid, error, claimNo = "g.claim_no" }: Told) => `
  INSERT INTO events (recorded_xid, namespace_id, type, task_id, run_id, function_id, claim_no, stack, data)
  SELECT ${xid}, g.namespace_id, '${type}', g.task_id, g.id, g.function_id, ${claimNo}, ${shownStack(error)},
    ${runData(error)}
  FROM ${source} g`;

/** The part of a statement that tells of rows of `source` that they are dead. */
export const tellDead = (source: string) =>
  `told AS (${tellRuns({
    ...{ type: "run.dead", source, xid: atLeastAfter("g.started_xid") },
    ...{ error: "g.end_error", claimNo: "g.kept_claim_no" },
  })} WHERE g.end_state = 'dead')`;

/** The same of redriven ones, that they are queued. */
export const tellRedriven = (source: string) =>
  `told AS (${tellRuns({ type: "run.queued", source, xid: CURRENT_XID, error: "NULL::jsonb" })})`;

/** The data of a row `g` of `tellCreated`: as `tellTasks` has it. */
export function toCreatedData({ name, spec, state, schedule, pausedReason, nextRunAt }: Task): string {
  const nameText = name === null ? "null" : toJsonText(name);
  const reason = pausedReason === null ? "null" : toJsonText(pausedReason);
  // One that its author named most often stands there as it is written.
  const isNamed = nextRunAt && schedule.kind === "once" && isWrittenAsStored(schedule.at);
  const instant = isNamed ? schedule.at : nextRunAt && writeNextRunAt(nextRunAt);
  const nextText = instant === null ? "null" : `"${instant}"`;
  return `{"name":${nameText},"type":"${spec.type}","state":"${state}","pausedReason":${reason},"nextRunAt":${nextText}}`;
}

const writeNextRunAt = createInstantWriter();

/** The part of a statement that tells of the tasks of a CTE `given` (id, namespace_id, function_id, told), which it makes. */
export const TELL_CREATED = `
  told AS (
    INSERT INTO events (namespace_id, type, task_id, function_id, data)
    SELECT g.namespace_id, 'task.created', g.id, g.function_id, g.told FROM given g
  )`;

const TELL_TASKS = `
  INSERT INTO events (namespace_id, type, task_id, function_id, data)
  SELECT t.namespace_id, $2, t.id, t.function_id, jsonb_build_object('name', t.name, 'type', t.type, 'state', t.state,
    'pausedReason', CASE WHEN t.state = 'paused' THEN t.paused_reason END,
    'nextRunAt', CASE WHEN t.state = 'active' THEN t.next_run_at END)
  FROM tasks t WHERE t.id = ANY($1::uuid[]) ORDER BY t.id`;

/** Of tasks as they stand now, in the transaction that has changed them, or is about to remove them. */
export async function tellTasks(
  { pool }: QueryScope,
  event: Exclude<TaskEvent, "created" | "late">,
  taskIds: readonly string[],
): Promise<void> {
  if (taskIds.length > 0) await pool.query(TELL_TASKS, [taskIds, `task.${event}`]);
}

/** Removes up to `limit` of the oldest, where they are from before that instant; how many. */
export async function removeExpiredEvents(
  { pool }: QueryScope,
  before: Date,
  limit: number,
): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM events WHERE id = ANY (ARRAY(
       SELECT id FROM (SELECT id, at FROM events ORDER BY id LIMIT $2) oldest WHERE at < $1))`,
    [before, limit],
  );
  return rowCount ?? 0;
}
