/** Resolves once nothing is under way any more: what is left has ended, or waits for somebody to decide. */
import { setTimeout as delay } from "node:timers/promises";
import { withClient } from "./system/system.ts";

const LOOK_MS = 250;

const UNDER_WAY = `
  SELECT 'a run that is ' || state AS what, id::text FROM task_runs_open WHERE state <> 'dead'
  UNION ALL SELECT 'callbacks of a run', run_id::text FROM run_callbacks
  UNION ALL SELECT 'a task that is active', id::text FROM tasks WHERE state = 'active'
  UNION ALL SELECT 'a task that was enqueued', task_id::text FROM enqueued_tasks WHERE refused_at IS NULL
  UNION ALL SELECT 'a bulk action', id::text FROM bulk_actions WHERE state = 'running'`;

export interface Unquiet {
  what: string;
  id: string;
}

/** Answers what was still under way at the end of its patience: none. */
export async function whenQuiet(databaseUrl: string, patienceMs: number): Promise<Unquiet[]> {
  const deadlineMs = Date.now() + patienceMs;
  return await withClient(databaseUrl, async (client) => {
    for (;;) {
      const { rows } = await client.query<Unquiet>(`SELECT * FROM (${UNDER_WAY}) LIMIT 100`);
      if (rows.length === 0 || Date.now() > deadlineMs) return rows;
      await delay(LOOK_MS);
    }
  });
}
