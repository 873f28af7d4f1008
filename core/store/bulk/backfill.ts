/**
 * Backfills: bulk actions that make a run for each instant of a list that was put together when they were asked for. How many
 * are done is the place in that list: it moves in the transaction that makes the runs.
 */
import type { Backfill } from "../../contracts/backfill.ts";
import { type BackfillRange, instantsWithin } from "../../domain/backfill.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { SearchTurns } from "../../search-turns.ts";
import { findCalendarDates } from "../calendars/calendars.ts";
import { returnDailyRuns, type TakenRuns, takeDailyRuns } from "../daily-runs.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { INSERT_BACKFILLED, TASK_FACTS } from "../runs/insert.ts";
import { IS_QUEUE_THERE } from "../runs/queue-there.ts";
import { STAGED, type StagedRun } from "../runs/staged-run.ts";
import type { Transaction } from "../transaction.ts";

/** What a backfill is made of. */
export interface FoundInstants {
  state: string;
  overlap: string | null;
  /** The name of its queue where that was deleted; null: it was not. */
  missingQueue: string | null;
  /** Oldest first; of more than was asked for one more. */
  instants: Date[];
}

/** The instants of a task, `max` at most. Undefined: there is no such task. */
export async function findInstants(
  scope: QueryScope,
  namespaceId: string,
  taskId: string,
  range: BackfillRange,
  max: number,
): Promise<FoundInstants | undefined> {
  const { rows } = await scope.pool.query<FoundTask>(FIND_TASK, [taskId, namespaceId]);
  const [task] = rows;
  if (!task) return undefined;
  const dates = await findCalendarDates(scope, namespaceId, task.schedule);
  const instants: Date[] = [];
  const turns = new SearchTurns();
  for (const at of instantsWithin(task.schedule, task.anchorAt, range, dates)) {
    instants.push(at);
    if (instants.length > max) break;
    if (turns.isTurnOver) await turns.giveWay();
  }
  const { state, overlap, missingQueue } = task;
  return { state, overlap, missingQueue, instants };
}

interface FoundTask extends Omit<FoundInstants, "instants"> {
  schedule: Schedule;
  anchorAt: Date;
}

const FIND_TASK = `SELECT state, policy ->> 'overlap' AS overlap, schedule, anchor_at AS "anchorAt",
    CASE WHEN NOT ${IS_QUEUE_THERE("t")} THEN queue END AS "missingQueue"
  FROM tasks t WHERE id = $1 AND namespace_id = $2 AND removed_at IS NULL`;

export interface BackfillBatch {
  namespaceId: string;
  backfill: Backfill;
  /** Those that are to be made next, oldest first. */
  instants: Date[];
  /** The last run that was made; null: none was. */
  lastRunId: string | null;
  traceparent: string | null;
}

export type BackfillStep =
  /** Nothing is made before the last run has ended, or its namespace may begin some again. */
  | { kind: "waits" }
  /** The task is cancelled or gone, or is over, and its queue was deleted since. */
  | { kind: "over" }
  | { kind: "made"; runs: StagedRun[] };

const MAKE = `
  WITH task AS (SELECT ${TASK_FACTS} FROM tasks t
    WHERE t.id = $1 AND t.namespace_id = $2 AND t.removed_at IS NULL AND t.state <> 'cancelled'
      AND ${IS_QUEUE_THERE("t")} FOR SHARE),
  r AS (${INSERT_BACKFILLED} RETURNING id, available_at, traceparent)
  SELECT ${STAGED} FROM r ORDER BY r.id`;

/**
 * Makes the runs of a batch, or the one whose turn it is.
 *
 * @param dailyLimit how many runs the namespace may begin on a day; undefined: as many as come
 */
export async function backfillRuns(
  tx: Transaction,
  { namespaceId, backfill, instants, lastRunId, traceparent }: BackfillBatch,
  dailyLimit?: number,
): Promise<BackfillStep> {
  const { taskId, overlap } = backfill;
  const isInTurn = overlap === "wait";
  if (isInTurn && lastRunId !== null && (await isUnderWay(tx, lastRunId))) return { kind: "waits" };
  let next = isInTurn ? instants.slice(0, 1) : instants;
  let taken: TakenRuns | undefined;
  if (dailyLimit !== undefined && next.length > 0) {
    // Before the runs of the day, as whoever stages does.
    await tx.pool.query("SELECT FROM tasks WHERE id = $1 FOR SHARE", [taskId]);
    taken = await takeDailyRuns(tx, { namespaceId, count: next.length, limit: dailyLimit });
    next = next.slice(0, taken.count);
    if (next.length === 0) return { kind: "waits" };
  }
  const rows = next.map((at) => ({ run_id: newId(), at }));
  const values = [taskId, namespaceId, toJsonText(rows), traceparent];
  const { rows: runs } = await tx.pool.query<StagedRun>(MAKE, values);
  if (runs.length > 0 || next.length === 0) return { kind: "made", runs };
  if (taken) await returnDailyRuns(tx, namespaceId, taken);
  return { kind: "over" };
}

/** A dead letter has ended, as far as the next one is concerned. */
async function isUnderWay({ pool }: Transaction, runId: string): Promise<boolean> {
  const { rows } = await pool.query("SELECT FROM task_runs_open WHERE id = $1 AND state <> 'dead'", [runId]);
  return rows.length > 0;
}
