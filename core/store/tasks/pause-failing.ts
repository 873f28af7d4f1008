/** active → paused: a task whose last runs failed, as many in a row as its policy says. */
import type { Task } from "../../contracts/task-output.ts";
import type { QueryScope, Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { SCHEDULE_NOW } from "../virtual-clock.ts";
import { pauseTaskIn } from "./pause-resume.ts";

/**
 * Of the task's runs that succeeded or failed, in the order they were made, the last ones; dead letters have failed.
 * Those that had begun before it was resumed do not count, and neither do runs that were cancelled, skipped or expired.
 */
const IS_FAILING = `
  WITH task AS MATERIALIZED (
    SELECT id, (policy ->> 'pauseAfterFailures')::int AS failures, failures_since FROM tasks
    WHERE id = $1 AND namespace_id = $2 AND state = 'active' AND removed_at IS NULL AND policy ? 'pauseAfterFailures'
  )
  SELECT count(*) = t.failures AND bool_and(r.state <> 'succeeded') AS "isFailing"
  FROM task t CROSS JOIN LATERAL (
    SELECT state FROM task_runs
    WHERE task_id = t.id AND state IN ('succeeded', 'failed', 'dead')
      AND started_at > coalesce(t.failures_since, '-infinity')
    ORDER BY id DESC LIMIT t.failures
  ) AS r
  GROUP BY t.failures`;

async function isFailing({ pool }: QueryScope, namespaceId: string, taskId: string): Promise<boolean> {
  const { rows } = await pool.query<{ isFailing: boolean }>(IS_FAILING, [taskId, namespaceId]);
  return rows[0]?.isFailing ?? false;
}

/** The task, where this call paused it. It is looked at once more under its lock: somebody may have resumed it. */
export async function pauseFailingTask(
  store: Store,
  namespaceId: string,
  taskId: string,
): Promise<Task | undefined> {
  if (!(await isFailing(store, namespaceId, taskId))) return undefined;
  return await inTransaction(store.pool, async (tx) => {
    const { rows } = await tx.pool.query<{ now: Date }>(
      `SELECT ${SCHEDULE_NOW} AS now FROM tasks WHERE id = $1 FOR UPDATE`,
      [taskId],
    );
    const now = rows[0]?.now;
    if (!now || !(await isFailing(tx, namespaceId, taskId))) return undefined;
    return await pauseTaskIn(tx, namespaceId, taskId, now, "failures");
  });
}
