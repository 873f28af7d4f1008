/** Due tasks become queued runs, and retries that waited become queued again: what the scheduler decides, written. */
import { sql } from "kysely";
import { type DueDecision, decideDue } from "../../domain/catch-up.ts";
import { nextOccurrence } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { QueryScope, Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { newId } from "../ids.ts";
import { inTransaction } from "../transaction.ts";
import { INSERT_STAGED, TASK_FACTS } from "./insert.ts";
import { recordSkipped } from "./skip.ts";
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

/** What one pass has staged. */
export interface StagedBatch {
  runs: StagedRun[];
  /** Of tasks whose instants had passed: those that became no run. */
  skipped: SkippedInstants[];
  /** Tasks that were due; as many as the limit: there may be more. */
  taskCount: number;
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
 * Takes up to `limit` active tasks that are due before `horizon`, inserts their runs and advances the cursors in the same
 * transaction: that is what makes an occurrence exist once. SKIP LOCKED lets schedulers share the work. `trace` gives
 * each run the traceparent it is remembered by.
 */
export async function stageOccurrences(
  store: Store,
  now: Date,
  horizon: Date,
  limit: number,
  trace?: (occurrence: Occurrence) => string | undefined,
): Promise<StagedBatch> {
  return await inTransaction(store.pool, async (tx) => {
    const { rows: due } = await sql<DueTask>`
      SELECT id, type, schedule, anchor_at, next_run_at, traceparent FROM tasks
      WHERE state = 'active' AND next_run_at <= ${horizon}
      ORDER BY next_run_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx.db);
    const decided = decideAll(due, now);
    const runs = decided.flatMap(({ task, fires, nextRunAt }) =>
      fires.map((scheduledFor) => toStaged(task, scheduledFor, nextRunAt, trace)),
    );
    await insertStaged(tx, runs);
    const skipped = await recordMissed(tx, decided);
    const over = decided.flatMap(({ task, nextRunAt }) => (nextRunAt === null ? [task.id] : []));
    await tellTasks(tx, "completed", over);
    return {
      runs: runs.map(({ runId, scheduledFor, traceparent }) => ({
        ...{ runId, availableAt: scheduledFor, traceparent },
      })),
      ...{ skipped, taskCount: due.length },
    };
  });
}

type DecidedTask = DueDecision & { task: DueTask };

/** A transaction that idles for 5 s is cut off: after an outage, finding what was missed by slow rules may take longer. */
const DECIDE_MS = 1_000;

/** The first always; those that come too late stay due, and are the next pass's. */
function mapWithin<From, To>(ms: number, items: From[], map: (item: From) => To): To[] {
  const untilMs = performance.now() + ms;
  const mapped: To[] = [];
  for (const item of items) {
    mapped.push(map(item));
    if (performance.now() >= untilMs) break;
  }
  return mapped;
}

/** Tasks that share a cron schedule and an instant share the answer: for a midnight herd it is found once. */
function decideAll(due: DueTask[], now: Date): DecidedTask[] {
  const known = new Map<string, DueDecision>();
  return mapWithin(DECIDE_MS, due, (task) => {
    const { schedule, anchor_at, next_run_at } = task;
    const decide = () =>
      decideDue((after) => nextOccurrence(schedule, anchor_at, after), next_run_at, now, null);
    if (schedule.kind !== "cron") return { task, ...decide() };
    const question = `${JSON.stringify(schedule)}\n${next_run_at.getTime()}`;
    const decision = known.get(question) ?? decide();
    known.set(question, decision);
    return { task, ...decision };
  });
}

interface StagedRow {
  runId: string;
  taskId: string;
  scheduledFor: Date;
  /** The task's cursor from now on. */
  nextRunAt: Date | null;
  traceparent: string | null;
}

function toStaged(
  { id: taskId, type, traceparent: taskTraceparent }: DueTask,
  scheduledFor: Date,
  nextRunAt: Date | null,
  trace?: (occurrence: Occurrence) => string | undefined,
): StagedRow {
  const runId = newId();
  const traceparent = trace?.({ runId, taskId, type, scheduledFor, taskTraceparent }) ?? null;
  return { runId, taskId, scheduledFor, nextRunAt, traceparent };
}

const CURSOR_COLUMNS = `next_run_at = s.next_run_at,
  state = CASE WHEN s.next_run_at IS NULL THEN 'completed' ELSE t.state END`;

const STAGE = `
  WITH staged AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json) AS s(run_id uuid, task_id uuid, due_at timestamptz,
      next_run_at timestamptz, traceparent text)
  ), advanced AS (
    UPDATE tasks t SET ${CURSOR_COLUMNS} FROM staged s WHERE t.id = s.task_id RETURNING ${TASK_FACTS}
  ) ${INSERT_STAGED}`;

async function insertStaged({ pool }: QueryScope, runs: StagedRow[]): Promise<void> {
  if (runs.length === 0) return;
  const rows = runs.map(({ runId, taskId, scheduledFor, nextRunAt, traceparent }) => ({
    run_id: runId,
    task_id: taskId,
    due_at: scheduledFor,
    next_run_at: nextRunAt,
    traceparent,
  }));
  await pool.query(STAGE, [JSON.stringify(rows)]);
}

const ADVANCE = `
  UPDATE tasks t SET ${CURSOR_COLUMNS}
  FROM json_to_recordset($1::json) AS s(task_id uuid, next_run_at timestamptz) WHERE t.id = s.task_id`;

/** Few tasks are late: those that are not pay for none of this. */
async function recordMissed(tx: QueryScope, decided: DecidedTask[]): Promise<SkippedInstants[]> {
  const late = decided.flatMap(({ task, missed, fires, nextRunAt }) =>
    missed ? [{ taskId: task.id, skipped: missed, fires, nextRunAt }] : [],
  );
  if (late.length === 0) return [];
  const without = late.flatMap(({ taskId, fires, nextRunAt }) =>
    fires.length === 0 ? [{ task_id: taskId, next_run_at: nextRunAt }] : [],
  );
  if (without.length > 0) await tx.pool.query(ADVANCE, [JSON.stringify(without)]);
  await recordSkipped(tx, late);
  return late.map(({ skipped }) => skipped);
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
