/**
 * The watch over what is expected of runs, apart from whoever stages, claims and ends them: each row whose instant has
 * come is judged (`judgeWatch`), and what it comes to is written and told in the same transaction. An open run is locked
 * before it is called late, so that its end comes before or after: a run that somebody else is at is looked at again.
 */
import {
  judgeWatch,
  lookAtOf,
  timesOf,
  type WatchedRun,
  type WatchVerdict,
} from "../../domain/expectation.ts";
import type { StoredRunState } from "../../domain/run-state.ts";
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { runData } from "../events/record.ts";
import { toJsonText } from "../json-text.ts";
import { endedWithin } from "../runs/read.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { takeFirstOverruns } from "./overruns.ts";
import { type LateRun, type ToldRun, tellLateRuns } from "./tell.ts";

/** What one pass has found. */
export interface WatchReport {
  /** There may be more to judge at once. */
  hasMore: boolean;
  /** Those that were told of before they had a run are not among them. */
  missed: number;
  overran: number;
  /** Queued runs of callbacks: to be rung. */
  called: StagedRun[];
}

interface Row {
  id: string;
  taskId: string;
  runId: string;
  scheduledFor: Date;
  dueAt: Date;
  nextAt: Date | null;
  isMissed: boolean;
  isExpected: boolean;
}

const TAKE = {
  name: "take-expectations",
  text: `SELECT e.id, e.task_id AS "taskId", e.run_id AS "runId", e.scheduled_for AS "scheduledFor", e.due_at AS "dueAt",
      e.next_at AS "nextAt", e.missed_at IS NOT NULL AS "isMissed",
      (t.state <> 'cancelled' AND t.removed_at IS NULL AND t.policy ? 'expect') IS TRUE AS "isExpected"
    FROM expectations e LEFT JOIN tasks t ON t.id = e.task_id
    WHERE e.look_at <= $1 ORDER BY e.look_at, e.id LIMIT $2 FOR UPDATE OF e SKIP LOCKED`,
};

/** Of a run `g`. It began with its first attempt. */
const FACTS = `g.id, g.namespace_id AS "namespaceId", g.task_id AS "taskId", g.function_id AS "functionId", g.state,
  g.scheduled_for AS "scheduledFor",
  coalesce((g.attempts -> 0 ->> 'startedAt')::timestamptz, g.started_at) AS "startedAt",
  coalesce(g.dead_at, nullif(g.finished_at, 'infinity')) AS "endedAt",
  greatest(g.queued_xid, g.started_xid, g.recorded_xid) AS xid, ${runData("g.error")} AS data`;

const LOCK_OPEN = {
  name: "lock-watched-runs",
  text: "SELECT id FROM task_runs_open WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED",
};

/** Both bounds of the days are parameters: only the partitions between them are planned for. */
const READ = {
  name: "read-watched-runs",
  text: `SELECT ${FACTS}, true AS "isOpen" FROM task_runs_open g WHERE g.id = ANY($1::uuid[])
    UNION ALL
    SELECT ${FACTS}, false FROM task_runs g
    WHERE g.id = ANY($1::uuid[]) AND g.finished_at >= $2 AND g.finished_at < $3`,
};

interface RunRow extends ToldRun {
  state: StoredRunState;
  scheduledFor: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  isOpen: boolean;
}

/** Judges up to `limit` of the rows that are to be looked at. */
export async function watchExpectations(store: Store, now: Date, limit: number): Promise<WatchReport> {
  return await inTransaction(store.pool, async (tx) => {
    const { rows } = await tx.pool.query<Row>({ ...TAKE, values: [now, limit] });
    if (rows.length === 0) return { hasMore: false, missed: 0, overran: 0, called: [] };
    const runs = await readRuns(
      tx,
      rows.filter(({ isExpected }) => isExpected).map(({ runId }) => runId),
    );
    const judged: Judged[] = [];
    const over: Row[] = [];
    let busyCount = 0;
    for (const row of rows) {
      const run = runs.get(row.runId);
      // Nobody expects it any more, or the run was taken back before its instant.
      if (!row.isExpected || !run) over.push(row);
      else if (run.isOpen && !run.isLocked) busyCount += 1;
      else judged.push({ row, run, ...judge(row, run, now) });
    }
    const knownIds = await giveRuns(
      tx,
      judged.filter(({ isMissed }) => isMissed),
    );
    await save(tx, judged, over, knownIds, now);
    const told = await chooseTold(tx, judged, knownIds, now);
    return {
      hasMore: rows.length === limit && busyCount < limit,
      missed: judged.filter(({ isMissed }) => isMissed).length - knownIds.size,
      overran: judged.filter(({ cadence }) => cadence === "overran").length,
      called: await tellLateRuns(tx, told, now),
    };
  });
}

type ReadRun = RunRow & { isLocked: boolean };
type Judged = WatchVerdict & { row: Row; run: ReadRun };

async function readRuns({ pool }: Transaction, runIds: string[]): Promise<Map<string, ReadRun>> {
  if (runIds.length === 0) return new Map();
  const { rows: locked } = await pool.query<{ id: string }>({ ...LOCK_OPEN, values: [runIds] });
  const lockedIds = new Set(locked.map(({ id }) => id));
  const oldest = runIds.reduce((one, other) => (other < one ? other : one));
  const { rows } = await pool.query<RunRow>({ ...READ, values: [runIds, ...endedWithin(oldest)] });
  return new Map(rows.map((run) => [run.id, { ...run, isLocked: lockedIds.has(run.id) }]));
}

const WATCHED_STATES: Record<StoredRunState, WatchedRun["state"]> = {
  ...{ scheduled: "open", queued: "open", running: "open", deferred: "open" },
  ...{ succeeded: "succeeded", failed: "failed", dead: "failed" },
  ...{ skipped: "skipped", expired: "stopped", cancelled: "stopped" },
};

function judge({ dueAt, nextAt, isMissed }: Row, { state, endedAt }: ReadRun, now: Date): WatchVerdict {
  const watch = { dueAt: isMissed ? null : dueAt, nextAt };
  return judgeWatch(watch, { state: WATCHED_STATES[state], endedAt }, now);
}

/** Of the instants that were told of before they had a run, it is not told again. */
const GIVE_RUN = {
  name: "give-missed-run",
  text: `UPDATE expectations e SET run_id = r.run_id
    FROM json_to_recordset($1::json) AS r(task_id uuid, scheduled_for timestamptz, run_id uuid)
    WHERE ${byIndex("e.task_id", "r.task_id")} AND e.scheduled_for = r.scheduled_for AND e.run_id IS NULL
    RETURNING e.run_id AS "runId"`,
};

async function giveRuns({ pool }: Transaction, missed: Judged[]): Promise<Set<string>> {
  if (missed.length === 0) return new Set();
  const given = missed.map(({ row: { taskId, scheduledFor, runId } }) => ({
    ...{ task_id: taskId, scheduled_for: scheduledFor, run_id: runId },
  }));
  const { rows } = await pool.query<{ runId: string }>({ ...GIVE_RUN, values: [toJsonText(given)] });
  return new Set(rows.map(({ runId }) => runId));
}

const SAVE = {
  name: "save-expectations",
  text: `
  WITH gone AS (DELETE FROM expectations WHERE id = ANY($1::bigint[]))
  UPDATE expectations e SET next_at = s.next_at, look_at = s.look_at, missed_at = coalesce(e.missed_at, s.missed_at)
  FROM json_to_recordset($2::json) AS s(id bigint, next_at timestamptz, look_at timestamptz, missed_at timestamptz)
  WHERE ${byIndex("e.id", "s.id")}`,
};

/** @param knownIds runs whose instants have rows that say that they are missed */
async function save(
  { pool }: Transaction,
  judged: Judged[],
  over: Row[],
  knownIds: ReadonlySet<string>,
  now: Date,
): Promise<void> {
  const isGone = ({ row, isMissed, left }: Judged) =>
    knownIds.has(row.runId) || (!isMissed && !row.isMissed && lookAtOf(left) === null);
  const gone = [
    ...over.filter(({ isMissed }) => !isMissed).map(({ id }) => id),
    ...judged.filter(isGone).map(({ row }) => row.id),
  ];
  // What was missed stays so, whatever becomes of the task.
  const kept = over
    .filter(({ isMissed }) => isMissed)
    .map(({ id }) => ({ id, next_at: null, look_at: null, missed_at: null }));
  const saved = judged
    .filter((one) => !isGone(one))
    .map(({ row, left, isMissed }) => ({
      ...{ id: row.id, next_at: left.nextAt, look_at: lookAtOf(left) },
      missed_at: isMissed ? now : null,
    }));
  await pool.query({ ...SAVE, values: [gone, toJsonText([...saved, ...kept])] });
}

/** Each that is missed, and of a task's overruns in a row the first. */
async function chooseTold(
  tx: Transaction,
  judged: Judged[],
  knownIds: ReadonlySet<string>,
  now: Date,
): Promise<LateRun[]> {
  const late = judged
    .filter(({ row, isMissed }) => isMissed && !knownIds.has(row.runId))
    .map(({ row, run }) => ({ run, event: "late" as const, more: { dueAt: row.dueAt } }));
  const first = await takeFirstOverruns(
    tx,
    judged.flatMap(({ row: { taskId, runId, nextAt }, cadence }) =>
      cadence ? [{ taskId, runId, nextAt: nextAt!, cadence }] : [],
    ),
  );
  const overran = judged
    .filter(({ run }) => first.has(run.id))
    .map(({ run }) => ({ run, event: "overran" as const, more: timesOf(run, now) }));
  return [...late, ...overran];
}
