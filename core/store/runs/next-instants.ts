import { sql } from "kysely";
import type { QueryScope } from "../database.ts";

export interface NextInstants {
  /** A task fires: staged ahead of it. */
  due: Date | null;
  /** A retry becomes ready, by the true clock. */
  retry: Date | null;
  /** A held run is to be decided about. */
  held: Date | null;
  /** Runs wait for the end of others. */
  hasWaiting: boolean;
}

/** What the scheduler has to wake for; null: nothing. */
export async function findNextInstants({ db }: QueryScope): Promise<NextInstants> {
  const { rows } = await sql<NextInstants>`
    SELECT (SELECT min(next_run_at) FROM tasks WHERE state = 'active') AS due,
      (SELECT min(available_at) FROM task_runs_open WHERE state = 'scheduled') AS retry,
      (SELECT min(available_at) FROM task_runs_open
        WHERE state = 'queued' AND waiting_for = 'instant' AND waiting_key IS NOT NULL) AS held,
      EXISTS (SELECT FROM task_runs_open
        WHERE state = 'queued' AND waiting_for = 'overlap' AND waiting_key IS NOT NULL) AS "hasWaiting"`.execute(
    db,
  );
  return rows[0]!;
}
