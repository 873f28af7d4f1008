/**
 * A call whose worker its API has given up. It ends here, by the same fences as the worker's own writes, before its
 * caller is told: what the caller gets and what is recorded cannot differ, whatever the worker does when it comes back.
 */
import type { AttemptRecord, Run } from "../../contracts/run.ts";
import { WORKER_LOST } from "../../domain/run-errors.ts";
import type { QueryScope, Store } from "../database.ts";
import { unindexed } from "../unindexed.ts";
import { type FinishedDirectRun, toEndedValues, WRITE_ENDED } from "./direct.ts";
import { type EndedRun, endTaken } from "./end.ts";
import { toEndedRun } from "./finish.ts";
import { DIRECT_CLAIM_NO } from "./insert.ts";
import { findRun } from "./read.ts";
import { recordInRowTime } from "./row-time.ts";

/** Nobody. */
const API_WRITER = null;

const LOST = endTaken(
  "lost_call",
  {
    state: "CASE WHEN g.cancel_requested_at IS NULL THEN 'failed' ELSE 'cancelled' END",
    error: "CASE WHEN g.cancel_requested_at IS NULL THEN $3::jsonb END",
    attempts: `g.attempts || (${recordInRowTime("$4::jsonb", "g.started_at", "NULL::float8")})`,
    functionName: "(SELECT f.name FROM functions f WHERE f.id = g.function_id)",
  },
  "true",
);

const END_LOST = `
  WITH gone AS (
    DELETE FROM task_runs_open
    WHERE id = $1 AND worker_id = $2 AND claim_no = $5 AND ${unindexed("state")} = 'running'
    RETURNING *
  ), ${LOST.move} SELECT ${LOST.columns} FROM gone g`;

/** What is known of a running run that is to end as lost. */
interface LostRun {
  id: string;
  claimNo: number;
  attempt: number;
  startedAt: Date;
}

/** running → failed, or cancelled where that was asked for: a run that nobody can finish, or start anew. */
export async function endLostRun(
  { pool }: QueryScope,
  workerId: string,
  run: LostRun,
  now = new Date(),
): Promise<EndedRun[]> {
  const record: AttemptRecord = {
    ...{ attempt: run.attempt, workerId, error: WORKER_LOST },
    ...{ startedAt: run.startedAt.toISOString(), finishedAt: now.toISOString() },
  };
  const { rows } = await pool.query<EndedRun>({
    name: "end-lost-run",
    text: END_LOST,
    values: [run.id, workerId, JSON.stringify(WORKER_LOST), JSON.stringify(record), run.claimNo],
  });
  return rows;
}

/**
 * Ends the call's run as `lost` says, unless its worker has ended it; answers what that ended, and the run as it stands
 * then. Running: it is still somebody's. Undefined: it cannot be found, as where the clock of who made its id is hours off.
 */
export async function endLostCall(
  store: Store,
  workerId: string,
  lost: FinishedDirectRun,
): Promise<{ run: Run | undefined; ended: EndedRun[] }> {
  const { rowCount } = await store.pool.query({
    name: "lost-call",
    text: WRITE_ENDED,
    values: toEndedValues(workerId, [lost], API_WRITER),
  });
  const { attempt, startedAt, finishedAt } = lost.record;
  const shown = { id: lost.runId, claimNo: DIRECT_CLAIM_NO, attempt };
  const begun = { startedAt: new Date(startedAt ?? finishedAt) };
  const ended = await endLostRun(store, workerId, { ...shown, ...begun }, new Date(finishedAt));
  if (rowCount === 1) ended.push(toEndedRun(lost, "lost_call"));
  const run = await findRun(store, lost.namespaceId, lost.runId);
  return { run, ended };
}
