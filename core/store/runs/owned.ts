/** What a worker owns by the table: the poll behind its bells. */
import { sql } from "kysely";
import type { Db } from "../database.ts";

export interface OwnedRun {
  id: string;
  claimNo: number;
  cancelRequested: boolean;
  /** Claimed longer ago than a lease. */
  isOld: boolean;
}

export async function listOwnedRuns(db: Db, workerId: string, leaseMs: number): Promise<OwnedRun[]> {
  const { rows } = await sql<OwnedRun>`
    SELECT id, claim_no AS "claimNo", cancel_requested_at IS NOT NULL AS "cancelRequested",
      started_at < clock_timestamp() - ${leaseMs}::int * interval '1 millisecond' AS "isOld"
    FROM task_runs_open WHERE worker_id = ${workerId} AND state = 'running'`.execute(db);
  return rows;
}
