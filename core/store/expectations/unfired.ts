/**
 * The dead man's switch: instants of active tasks that should have fired, and succeeded, by now, and of which nobody has
 * made a run. As long as tasks are staged in time, none is overdue and nothing is looked at.
 */
import { MISSED_AFTER_MS } from "../../domain/catch-up.ts";
import { dueOf, type Expectation } from "../../domain/expectation.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { toNominal } from "../tasks/cursor.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { tellUnfiredInstants, type UnfiredInstant } from "./tell.ts";

/** Where a walk along overdue tasks has come to. */
export interface OverduePlace {
  nextRunAt: Date;
  id: string;
}

export interface UnfiredReport {
  unfired: number;
  /** Queued runs of callbacks: to be rung. */
  called: StagedRun[];
  /** Where to go on; undefined: that was all. */
  place: OverduePlace | undefined;
}

interface OverdueRow extends OverduePlace {
  isExpecting: boolean;
}

/** Those that expect nothing are walked over: an index of the others would be paid for by every staging. */
const WALK = {
  name: "walk-overdue-tasks",
  text: `SELECT t.id, t.next_run_at AS "nextRunAt", t.policy ? 'expect' AS "isExpecting" FROM tasks t
    WHERE t.state = 'active' AND t.next_run_at <= $1 AND (t.next_run_at, t.id) > ($2, $3)
    ORDER BY t.next_run_at, t.id LIMIT $4`,
};

const FIRST: OverduePlace = { nextRunAt: new Date(0), id: "00000000-0000-0000-0000-000000000000" };

interface OverdueTask {
  id: string;
  namespaceId: string;
  name: string | null;
  schedule: Schedule;
  nextRunAt: Date;
  offsetMs: number | null;
  expect: Expectation;
}

/** Whoever stages one of them has it locked: it is fired after all. */
const LOCK = {
  name: "lock-overdue-tasks",
  text: `SELECT t.id, t.namespace_id AS "namespaceId", t.name, t.schedule, t.next_run_at AS "nextRunAt",
      t.jitter_offset_ms AS "offsetMs", t.policy -> 'expect' AS expect
    FROM tasks t WHERE t.id = ANY($1::uuid[]) AND t.state = 'active' AND t.next_run_at <= $2 AND t.policy ? 'expect'
    ORDER BY t.id FOR UPDATE SKIP LOCKED`,
};

/** Each instant once. */
const RECORD = {
  name: "record-unfired",
  text: `INSERT INTO expectations (namespace_id, task_id, scheduled_for, due_at, missed_at)
    SELECT t.namespace_id, t.id, e.scheduled_for, e.due_at, $2
    FROM json_to_recordset($1::json) AS e(task_id uuid, scheduled_for timestamptz, due_at timestamptz)
      JOIN tasks t ON ${byIndex("t.id", "e.task_id")}
    ON CONFLICT (task_id, scheduled_for) WHERE run_id IS NULL DO NOTHING RETURNING task_id AS "taskId"`,
};

/** Looks at up to `limit` overdue tasks beyond `after`, in the order of their instants. */
export async function findUnfired(
  store: Store,
  now: Date,
  limit: number,
  after: OverduePlace = FIRST,
): Promise<UnfiredReport> {
  const overdueAt = new Date(now.getTime() - MISSED_AFTER_MS);
  const values = [overdueAt, after.nextRunAt, after.id, limit];
  const { rows } = await store.pool.query<OverdueRow>({ ...WALK, values });
  const last = rows.length === limit ? rows.at(-1) : undefined;
  const place = last && { nextRunAt: last.nextRunAt, id: last.id };
  const taskIds = rows.filter(({ isExpecting }) => isExpecting).map(({ id }) => id);
  if (taskIds.length === 0) return { unfired: 0, called: [], place };
  const told = await inTransaction(store.pool, (tx) => tellUnfired(tx, taskIds, overdueAt, now));
  return { ...told, place };
}

async function tellUnfired(
  tx: Transaction,
  taskIds: string[],
  overdueAt: Date,
  now: Date,
): Promise<{ unfired: number; called: StagedRun[] }> {
  const { rows } = await tx.pool.query<OverdueTask>({ ...LOCK, values: [taskIds, overdueAt] });
  const late = rows.map(toInstant).filter(({ dueAt }) => dueAt <= now);
  if (late.length === 0) return { unfired: 0, called: [] };
  const given = late.map(({ taskId, scheduledFor, dueAt }) => ({
    ...{ task_id: taskId, scheduled_for: scheduledFor, due_at: dueAt },
  }));
  const { rows: recorded } = await tx.pool.query<{ taskId: string }>({
    ...RECORD,
    values: [toJsonText(given), now],
  });
  const newIds = new Set(recorded.map(({ taskId }) => taskId));
  const unfired = late.filter(({ taskId }) => newIds.has(taskId));
  return { unfired: unfired.length, called: await tellUnfiredInstants(tx, unfired, now) };
}

function toInstant({ id: taskId, name, namespaceId, ...task }: OverdueTask): UnfiredInstant {
  const scheduledFor = toNominal(task.nextRunAt, task.offsetMs)!;
  const dueAt = dueOf(task.expect, task.schedule, scheduledFor);
  return { ...{ taskId, taskName: name, namespaceId }, scheduledFor, dueAt };
}
