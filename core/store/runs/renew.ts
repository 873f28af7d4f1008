/**
 * Runs whose task gets another definition. A claim reads the definition together with the run: one that began before
 * the change was committed would take the run after it, with the old definition. Therefore each waiting run is
 * inserted into the table anew: an older claim does not see the new row, and finds the old one gone. Active runs are
 * locked until then, because they may return to waiting, and be claimed, before.
 */
import type { Transaction } from "../transaction.ts";
import { isHeld } from "./held.ts";
import { INSERT_RENEWED } from "./insert.ts";
import { STAGED, type StagedRun } from "./staged-run.ts";

// A redrive holds the task, so no dead letter can come back meanwhile.
const RENEW = {
  name: "renew-runs",
  text: `WITH held AS MATERIALIZED (
      SELECT id, state FROM task_runs_open
      WHERE task_id = $1 AND state IN ('queued', 'scheduled', 'running', 'deferred') FOR UPDATE
    ), waiting AS (
      DELETE FROM task_runs_open r USING held h WHERE r.id = h.id AND h.state IN ('queued', 'scheduled') RETURNING r.*
    ), r AS (${INSERT_RENEWED} RETURNING *)
    SELECT ${STAGED} FROM r WHERE state = 'queued' AND ${isHeld("r")} IS NOT TRUE`,
};

/** Part of the transaction that changes the task. Those that are queued: whoever was about to claim one has missed it, so they are to be rung. */
export async function renewRuns({ pool }: Transaction, taskId: string): Promise<StagedRun[]> {
  const { rows } = await pool.query<StagedRun>({ ...RENEW, values: [taskId] });
  return rows;
}
