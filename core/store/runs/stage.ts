/** Due tasks become queued runs, and retries that waited become queued again: what the scheduler decides, written. */
import { sql } from "kysely";
import { advanceCursor, hasPassedOver } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { QueryScope, Store } from "../database.ts";
import { newId } from "../ids.ts";
import { inTransaction } from "../transaction.ts";
import { INSERT_STAGED, TASK_FACTS } from "./insert.ts";
import { STAGED, type StagedRun } from "./staged-run.ts";

/** An occurrence that is about to be staged. */
export interface Occurrence {
  runId: string;
  taskId: string;
  type: TaskType;
  scheduledFor: Date;
  /** The request that made the task (W3C); null: it was not traced. */
  taskTraceparent: string | null;
}

/** A run of a task's occurrence. */
export interface StagedOccurrence extends StagedRun {
  /** Later instants of the task had passed too, and do not fire. */
  isMerged: boolean;
}

interface DueTask {
  id: string;
  type: TaskType;
  schedule: Schedule;
  anchor_at: Date;
  next_run_at: Date;
  traceparent: string | null;
}

/**
 * Takes up to `limit` active tasks that are due before `horizon`, inserts a run for each and advances the cursors in
 * the same transaction: that is what makes an occurrence exist once. SKIP LOCKED lets schedulers share the work.
 * `trace` gives each run the traceparent it is remembered by.
 */
export async function stageDueTasks(
  store: Store,
  now: Date,
  horizon: Date,
  limit: number,
  trace?: (occurrence: Occurrence) => string | undefined,
): Promise<StagedOccurrence[]> {
  return await inTransaction(store.pool, async ({ db: tx }) => {
    const { rows: due } = await sql<DueTask>`
      SELECT id, type, schedule, anchor_at, next_run_at, traceparent FROM tasks
      WHERE state = 'active' AND next_run_at <= ${horizon}
      ORDER BY next_run_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx);
    if (due.length === 0) return [];
    const next = nextCursors(due, now);
    const staged = due.map((task, index) => {
      const runId = newId();
      return { task, runId, nextRunAt: next[index]!, traceparent: trace?.(toOccurrence(task, runId)) };
    });
    const rows = staged.map(({ task, runId, nextRunAt, traceparent }) => ({
      run_id: runId,
      task_id: task.id,
      due_at: task.next_run_at,
      next_run_at: nextRunAt,
      traceparent: traceparent ?? null,
    }));
    await sql`
      WITH staged AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::json) AS s(run_id uuid, task_id uuid,
          due_at timestamptz, next_run_at timestamptz, traceparent text)
      ), advanced AS (
        UPDATE tasks t SET next_run_at = s.next_run_at,
          state = CASE WHEN s.next_run_at IS NULL THEN 'completed' ELSE t.state END
        FROM staged s WHERE t.id = s.task_id RETURNING ${sql.raw(TASK_FACTS)}
      ) ${sql.raw(INSERT_STAGED)}`.execute(tx);
    return staged.map(({ task, runId, traceparent }) => ({
      runId,
      availableAt: task.next_run_at,
      traceparent,
      isMerged: hasPassedOver(task.schedule, task.anchor_at, task.next_run_at, now),
    }));
  });
}

function toOccurrence({ id, type, next_run_at, traceparent }: DueTask, runId: string): Occurrence {
  return { runId, taskId: id, type, scheduledFor: next_run_at, taskTraceparent: traceparent };
}

/** Tasks that share a cron expression and an instant share the answer: a midnight herd asks the parser once. */
function nextCursors(due: DueTask[], now: Date): (Date | null)[] {
  const answers = new Map<string, Date | null>();
  return due.map(({ schedule, anchor_at, next_run_at }) => {
    if (schedule.kind !== "cron") return advanceCursor(schedule, anchor_at, next_run_at, now);
    const question = `${schedule.expression}\n${schedule.timezone}\n${next_run_at.getTime()}`;
    const known = answers.get(question);
    if (known !== undefined) return known;
    const answer = advanceCursor(schedule, anchor_at, next_run_at, now);
    answers.set(question, answer);
    return answer;
  });
}

/** scheduled → queued for retries whose instant comes before `horizon`. */
export async function queueDueRetries(
  { db }: QueryScope,
  horizon: Date,
  limit: number,
): Promise<StagedRun[]> {
  const { rows } = await sql<StagedRun>`
    WITH due AS MATERIALIZED (
      SELECT id FROM task_runs_open WHERE state = 'scheduled' AND available_at <= ${horizon}
      ORDER BY available_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )
    UPDATE task_runs_open r SET state = 'queued', queued_at = clock_timestamp() FROM due WHERE r.id = due.id
    RETURNING ${sql.raw(STAGED)}`.execute(db);
  return rows;
}

/** The next instant at which a task fires or a retry becomes ready; null when nothing waits. */
export async function findNextInstant({ db }: QueryScope): Promise<Date | null> {
  const { rows } = await sql<{ at: Date | null }>`
    SELECT least(
      (SELECT min(next_run_at) FROM tasks WHERE state = 'active'),
      (SELECT min(available_at) FROM task_runs_open WHERE state = 'scheduled')) AS at`.execute(db);
  return rows[0]?.at ?? null;
}
