/** Held runs (held.ts) whose instant or turn has come: decides and writes what happens to each. */
import { decideOverlap, type Overlap, type RunLine } from "../../domain/overlap.ts";
import { type SkippedInstants, skipOne } from "../../domain/skipped.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type Cancelled, cancelRuns } from "./cancel.ts";
import { SKIP_HELD } from "./end.ts";
import { isBusy, isHeld, LET_GO } from "./held.ts";
import { STAGED, type StagedRun } from "./staged-run.ts";

export interface SettledRuns {
  /** They may be claimed: to be rung. */
  started: StagedRun[];
  skipped: SkippedInstants[];
  /** Earlier runs that made place. */
  cancelled: Cancelled;
  /** There may be more to decide at once. */
  more: boolean;
}

/**
 * Tasks with held runs that are due, and with lines in which nobody is before the first: from one line to the next in the
 * index, however many stand in each.
 */
const FIND = {
  name: "find-held-tasks",
  text: `
  WITH RECURSIVE lines AS (
    (SELECT min(waiting_key) AS key FROM task_runs_open r WHERE r.state = 'queued' AND r.waiting_for = 'overlap')
    UNION ALL
    SELECT (SELECT min(r.waiting_key) FROM task_runs_open r
      WHERE r.state = 'queued' AND r.waiting_for = 'overlap' AND r.waiting_key > l.key)
    FROM lines l WHERE l.key IS NOT NULL
  ), firsts AS (
    SELECT f.task_id FROM lines l CROSS JOIN LATERAL (
      SELECT r.task_id FROM task_runs_open r
      WHERE r.state = 'queued' AND r.waiting_for = 'overlap' AND r.waiting_key = l.key LIMIT 1) AS f
  )
  SELECT task_id AS "taskId" FROM task_runs_open r
  WHERE r.state = 'queued' AND r.waiting_for = 'instant' AND r.waiting_key IS NOT NULL AND r.available_at <= $1
  UNION
  SELECT f.task_id FROM firsts f
  -- A subquery of one value: never made a join, which might walk through all that is open.
  WHERE (SELECT true FROM task_runs_open o WHERE o.task_id = f.task_id AND ${isBusy("o")} LIMIT 1) IS NULL
  LIMIT $2`,
};

/** A task whose lock is held. Those that others have locked are looked at again soon. */
interface LockedTask {
  taskId: string;
  namespaceId: string;
  overlap: Overlap;
}

const LOCK = {
  name: "lock-held-tasks",
  text: `SELECT id AS "taskId", namespace_id AS "namespaceId", coalesce(policy ->> 'overlap', 'allow') AS overlap
    FROM tasks WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED`,
};

interface HeldRow {
  id: string;
  taskId: string;
  waitingFor: "instant" | "overlap";
  scheduledFor: Date;
}

/** As they stand under the lock of their tasks. */
const READ = {
  name: "read-held-runs",
  text: `SELECT r.id, r.task_id AS "taskId", r.waiting_for AS "waitingFor", r.scheduled_for AS "scheduledFor"
    FROM task_runs_open r
    WHERE r.task_id = ANY($1::uuid[]) AND r.state = 'queued' AND ${isHeld("r")}
      AND (r.waiting_for = 'overlap' OR r.available_at <= $2)
    ORDER BY r.scheduled_for, r.id`,
};

const READ_BUSY = {
  name: "read-busy-tasks",
  text: `SELECT k.id FROM unnest($1::uuid[]) AS k(id)
    WHERE (SELECT true FROM task_runs_open o WHERE o.task_id = k.id AND ${isBusy("o")} LIMIT 1)`,
};

const START = {
  name: "start-held",
  text: `UPDATE task_runs_open r SET ${LET_GO}
    WHERE r.id = ANY($1::uuid[]) AND r.state = 'queued' AND ${isHeld("r")} RETURNING ${STAGED}`,
};

const WAIT = {
  name: "let-held-wait",
  text: `UPDATE task_runs_open r SET waiting_for = 'overlap'
    WHERE r.id = ANY($1::uuid[]) AND r.state = 'queued' AND ${isHeld("r")}`,
};

/**
 * A run that is skipped is none of `maxRuns`: a task that was over with it looks for its next instant (seek-instants.ts),
 * after the last of those that are staged already.
 */
const UNCOUNT = {
  name: "uncount-skipped",
  text: `UPDATE tasks t SET runs_left = t.runs_left + s.count,
      state = CASE WHEN t.state = 'completed' THEN 'active' ELSE t.state END,
      seek_from = CASE WHEN t.state <> 'completed' THEN t.seek_from
        ELSE greatest(s.last_at, (SELECT max(o.scheduled_for) FROM task_runs_open o
          WHERE o.task_id = t.id AND o.trigger = 'schedule')) END
    FROM (SELECT v.task_id, count(*)::int AS count, max(v.at) AS last_at
      FROM json_to_recordset($1::json) AS v(task_id uuid, at timestamptz) GROUP BY v.task_id) AS s
    WHERE t.id = s.task_id AND t.runs_left IS NOT NULL`,
};

const FIND_BUSY_RUNS = {
  name: "find-busy-runs",
  text: `SELECT o.id FROM task_runs_open o WHERE o.task_id = $1 AND ${isBusy("o")}
    AND o.cancel_requested_at IS NULL`,
};

/** Decides for up to `limit` tasks. */
export async function settleHeldRuns(store: Store, now: Date, limit: number): Promise<SettledRuns> {
  const { rows: found } = await store.pool.query<{ taskId: string }>({ ...FIND, values: [now, limit] });
  const settled = { started: [], skipped: [], cancelled: { ended: [], asked: [] }, more: false };
  if (found.length === 0) return settled;
  const taskIds = found.map(({ taskId }) => taskId);
  const decided = await inTransaction(store.pool, (tx) => settleTasks(tx, taskIds, now));
  return { ...decided, more: found.length === limit || decided.cancelled.ended.length > 0 };
}

async function settleTasks(
  tx: Transaction,
  taskIds: string[],
  now: Date,
): Promise<Omit<SettledRuns, "more">> {
  const { rows: tasks } = await tx.pool.query<LockedTask>({ ...LOCK, values: [taskIds] });
  const locked = tasks.map(({ taskId }) => taskId);
  const { rows: held } = await tx.pool.query<HeldRow>({ ...READ, values: [locked, now] });
  const { rows: busy } = await tx.pool.query<{ id: string }>({ ...READ_BUSY, values: [locked] });
  const busyIds = new Set(busy.map(({ id }) => id));
  const byTask = Map.groupBy(held, ({ taskId }) => taskId);
  const verdicts = tasks.map((task) => ({
    ...task,
    ...decideOverlap(task.overlap, toLine(byTask.get(task.taskId) ?? [], busyIds.has(task.taskId))),
  }));
  const started = await startRuns(
    tx,
    verdicts.flatMap(({ start }) => start),
  );
  const wait = verdicts.flatMap((verdict) => verdict.wait);
  if (wait.length > 0) await tx.pool.query({ ...WAIT, values: [wait] });
  const skippedIds = new Set(verdicts.flatMap(({ skip }) => skip));
  const skipped = await skipRuns(
    tx,
    held.filter(({ id }) => skippedIds.has(id)),
  );
  const cancelled: Cancelled = { ended: [], asked: [] };
  for (const verdict of verdicts) {
    const { ended, asked } = await makePlace(tx, verdict);
    cancelled.ended.push(...ended);
    cancelled.asked.push(...asked);
  }
  return { started, skipped, cancelled };
}

const toLine = (held: HeldRow[], isBusy: boolean): RunLine => {
  const idsOf = (kind: HeldRow["waitingFor"]) =>
    held.filter(({ waitingFor }) => waitingFor === kind).map(({ id }) => id);
  return { isBusy, waiting: idsOf("overlap"), due: idsOf("instant") };
};

async function startRuns({ pool }: Transaction, runIds: string[]): Promise<StagedRun[]> {
  if (runIds.length === 0) return [];
  return (await pool.query<StagedRun>({ ...START, values: [runIds] })).rows;
}

async function skipRuns({ pool }: Transaction, held: HeldRow[]): Promise<SkippedInstants[]> {
  if (held.length === 0) return [];
  const rows = held.map(({ id, scheduledFor }) => ({ id, skipped: skipOne("overlap", scheduledFor) }));
  const { rows: gone } = await pool.query<{ id: string }>({ ...SKIP_HELD, values: [toJsonText(rows)] });
  const goneIds = new Set(gone.map(({ id }) => id));
  const skipped = held.filter(({ id }) => goneIds.has(id));
  const instants = skipped.map(({ taskId, scheduledFor }) => ({ task_id: taskId, at: scheduledFor }));
  await pool.query({ ...UNCOUNT, values: [toJsonText(instants)] });
  return rows.flatMap(({ id, skipped }) => (goneIds.has(id) ? [skipped] : []));
}

async function makePlace(
  tx: Transaction,
  { taskId, namespaceId, cancel, cancelsBusy }: LockedTask & ReturnType<typeof decideOverlap>,
): Promise<Cancelled> {
  const { rows } = cancelsBusy
    ? await tx.pool.query<{ id: string }>({ ...FIND_BUSY_RUNS, values: [taskId] })
    : { rows: [] };
  const runIds = [...cancel, ...rows.map(({ id }) => id)];
  return runIds.length > 0 ? await cancelRuns(tx, namespaceId, { runIds }) : { ended: [], asked: [] };
}
