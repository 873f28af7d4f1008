/** Due tasks become queued runs: writes what the scheduler decides. */
import { MISSED_AFTER_MS } from "../../domain/catch-up.ts";
import { dueOf } from "../../domain/expectation.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { type DailyLimits, NO_DAILY_LIMITS } from "../daily-limits.ts";
import type { QueryScope, Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { dueOfSkipped, type ExpectedRun, recordExpectations } from "../expectations/record.ts";
import { newId } from "../ids.ts";
import { toColumn } from "../tasks/cursor.ts";
import { loadExclusions, settleStaged, type TaskExclusions, tellExcluded } from "../tasks/exclusions.ts";
import { inTransaction } from "../transaction.ts";
import {
  type DecidedTask,
  DUE_COLUMNS,
  type DueTask,
  decideAll,
  decideHold,
  goOnAfterRefusal,
  type Hold,
} from "./decide-due-tasks.ts";
import { INSERT_STAGED, INSERT_STAGED_HELD, INSERT_STAGED_READY, TASK_FACTS } from "./insert.ts";
import { recordSkipped } from "./skip.ts";
import { takeDailyRunsOf } from "./stage-daily.ts";
import type { StagedRun } from "./staged-run.ts";
import { DUE_TASKS, takeDue } from "./take-due.ts";

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

export interface StagingOptions {
  /** Gives each run the traceparent it is remembered by. */
  trace?: ((occurrence: Occurrence) => string | undefined) | undefined;
  /** What is staged may be claimed from then on by the true clock, and its limits count from there; left out, from its instant. */
  readyAt?: Date | undefined;
  /** How many runs namespaces may begin on a day. */
  daily?: Pick<DailyLimits, "limitOf"> | undefined;
}

/**
 * Takes up to `limit` active tasks that are due before `horizon`, inserts their runs and advances the cursors in the same
 * transaction: that is what makes an occurrence exist once. SKIP LOCKED lets schedulers share the work.
 */
export async function stageOccurrences(
  store: Store,
  now: Date,
  horizon: Date,
  limit: number,
  { trace, readyAt, daily = NO_DAILY_LIMITS }: StagingOptions = {},
): Promise<StagedBatch> {
  return await inTransaction(store.pool, async (tx) => {
    const due = await takeDue<DueTask>(
      DUE_TASKS,
      store,
      { columns: DUE_COLUMNS, horizon, limit },
      async (take, values) => (await tx.pool.query<DueTask>(take, values)).rows,
    );
    const exclusions = await loadExclusions(tx, due);
    const decided = decideAll(due, now, exclusions);
    const refused = await takeDailyRunsOf(tx, decided, daily, readyAt !== undefined);
    for (const one of refused.keys()) goOnAfterRefusal(one);
    const staged = decided.flatMap((decision) => {
      const hold = decideHold(decision);
      return decision.fires.map((scheduledFor) => ({
        ...toStaged(decision, scheduledFor, readyAt, trace),
        hold,
      }));
    });
    const runs = await insertStaged(tx, staged, readyAt !== undefined);
    await recordExpectations(tx, listExpected(decided, staged, now));
    const skipped = await recordPassedOver(tx, decided, exclusions, refused);
    const over = decided.flatMap(({ task, nextRunAt, seek }) =>
      nextRunAt === null && !seek ? [task.id] : [],
    );
    await tellTasks(tx, "completed", over);
    return { runs, skipped, taskCount: due.length };
  });
}

/** What of a row JSON leaves out is null: rows of most tasks have neither offset nor count nor search. */
interface StagedRow extends CursorFields {
  runId: string;
  scheduledFor: Date;
  /** When it is rung; left out, when it is scheduled for. */
  ringAt: Date | undefined;
  traceparent: string | null;
  hold: Hold;
}

interface CursorFields {
  task_id: string;
  next_run_at: Date | null;
  fired?: number;
  seek_from?: Date;
  seek_error?: string;
}

function toCursorFields({ task, fires, nextRunAt, seek }: DecidedTask): CursorFields {
  return {
    task_id: task.id,
    next_run_at: toColumn(nextRunAt, task.jitter_offset_ms),
    ...(task.runs_left !== null && { fired: fires.length }),
    ...(seek && { seek_from: seek.from, seek_error: seek.error }),
  };
}

function toStaged(
  decided: DecidedTask,
  scheduledFor: Date,
  readyAt: Date | undefined,
  trace?: (occurrence: Occurrence) => string | undefined,
): Omit<StagedRow, "hold"> {
  const { id: taskId, type, traceparent: taskTraceparent, jitter_offset_ms } = decided.task;
  const runId = newId();
  const traceparent = trace?.({ runId, taskId, type, scheduledFor, taskTraceparent }) ?? null;
  const effectiveAt = jitter_offset_ms === null ? undefined : toColumn(scheduledFor, jitter_offset_ms)!;
  const ringAt = readyAt ?? effectiveAt;
  return { ...toCursorFields(decided), runId, scheduledFor, ringAt, traceparent };
}

/** Of most tasks nothing is expected. */
function listExpected(decided: DecidedTask[], staged: StagedRow[], now: Date): ExpectedRun[] {
  const expecting = new Map(decided.flatMap((one) => (one.task.expect ? [[one.task.id, one] as const] : [])));
  if (expecting.size === 0) return [];
  return staged.flatMap(({ task_id: taskId, runId, scheduledFor }) => {
    const decision = expecting.get(taskId);
    if (!decision) return [];
    const { expect, schedule } = decision.task;
    const nextAt = findCadence(decision, scheduledFor, now);
    return [{ taskId, runId, scheduledFor, dueAt: dueOf(expect!, schedule, scheduledFor), nextAt }];
  });
}

/** A run that is late from its beginning says nothing of how long runs take. */
function findCadence({ task, fires, nextRunAt }: DecidedTask, scheduledFor: Date, now: Date): Date | null {
  const isLate = fires.length > 1 || now.getTime() - scheduledFor.getTime() > MISSED_AFTER_MS;
  return isLate ? null : toColumn(nextRunAt, task.jitter_offset_ms);
}

const CURSOR_COLUMNS = `next_run_at = s.next_run_at, runs_left = t.runs_left - s.fired,
  seek_from = s.seek_from, seek_error = s.seek_error,
  state = CASE WHEN s.next_run_at IS NULL AND s.seek_from IS NULL THEN 'completed' ELSE t.state END`;
const CURSOR_FIELDS =
  "task_id uuid, next_run_at timestamptz, fired int, seek_from timestamptz, seek_error text";

const stageText = (more: string, insert: string) => `
  WITH staged AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json) AS s(run_id uuid, due_at timestamptz, ring_at timestamptz,
      traceparent text, ${CURSOR_FIELDS} ${more})
  ), advanced AS (
    UPDATE tasks t SET ${CURSOR_COLUMNS} FROM staged s WHERE t.id = s.task_id RETURNING ${TASK_FACTS}
  ) ${insert}`;

const STAGE = stageText("", INSERT_STAGED);
const STAGE_HELD = stageText(
  ", hold text",
  `${INSERT_STAGED_HELD} RETURNING id, waiting_for IS NOT NULL AS held`,
);

/** The same with limits that count from when it is rung. */
const STAGE_READY = stageText(
  ", hold text",
  `${INSERT_STAGED_READY} RETURNING id, waiting_for IS NOT NULL AS held`,
);

/** Answers those that are to be rung. A batch in which every run may overlap looks at no other. */
async function insertStaged(
  { pool }: QueryScope,
  staged: StagedRow[],
  isReady: boolean,
): Promise<StagedRun[]> {
  if (staged.length === 0) return [];
  const rows = staged.map(({ runId, scheduledFor, ringAt, ...row }) => ({
    ...{ run_id: runId, due_at: scheduledFor, ring_at: ringAt },
    ...row,
  }));
  const text = JSON.stringify(rows);
  const runs = staged.map(({ runId, scheduledFor, ringAt, traceparent }) => ({
    ...{ runId, availableAt: ringAt ?? scheduledFor, traceparent },
  }));
  if (!isReady && staged.every(({ hold }) => hold === undefined)) {
    await pool.query(STAGE, [text]);
    return runs;
  }
  const { rows: inserted } = await pool.query<{ id: string; held: boolean }>(
    isReady ? STAGE_READY : STAGE_HELD,
    [text],
  );
  const heldIds = new Set(inserted.flatMap(({ id, held }) => (held ? [id] : [])));
  return runs.filter(({ runId }) => !heldIds.has(runId));
}

const ADVANCE = `
  UPDATE tasks t SET ${CURSOR_COLUMNS}
  FROM json_to_recordset($1::json) AS s(${CURSOR_FIELDS}) WHERE t.id = s.task_id`;

/** Few tasks are late, or exclude instants: those that do not pay for none of this. */
async function recordPassedOver(
  tx: QueryScope,
  decided: DecidedTask[],
  exclusions: TaskExclusions,
  refused: ReadonlyMap<DecidedTask, SkippedInstants>,
): Promise<SkippedInstants[]> {
  const without = decided.filter(({ fires }) => fires.length === 0).map(toCursorFields);
  if (without.length > 0) await tx.pool.query(ADVANCE, [JSON.stringify(without)]);
  const late = decided.flatMap(({ task, passedOver }) => (passedOver ? [toSkipped(task, passedOver)] : []));
  late.push(...Array.from(refused, ([{ task }, skipped]) => toSkipped(task, skipped)));
  if (late.length > 0) await recordSkipped(tx, late);
  const told = decided.flatMap(({ task: { id: taskId }, excluded: skipped }) =>
    skipped ? [{ taskId, skipped, openRun: exclusions.get(taskId)?.openRun }] : [],
  );
  if (told.length > 0) await tellExcluded(tx, told);
  await settleStaged(
    tx,
    decided.flatMap(({ task: { id }, settledUntil: until }) => (until ? [{ id, until }] : [])),
  );
  return [...late, ...told].map(({ skipped }) => skipped);
}

const toSkipped = ({ id: taskId, expect, schedule }: DueTask, skipped: SkippedInstants) => ({
  ...{ taskId, skipped, dueAt: dueOfSkipped(skipped, expect, schedule) },
});
