/** What a worker owns according to the table: the poll behind its bells. */
import { sql } from "kysely";
import type { QueryScope } from "../database.ts";

export interface OwnedRun {
  id: string;
  claimNo: number;
  attempt: number;
  startedAt: Date;
  /** It came without a claim and was never queued: it is not given back. */
  isDirect: boolean;
  cancelRequested: boolean;
  /** Claimed longer ago than a lease. */
  isOld: boolean;
}

export async function listOwnedRuns(
  { db }: QueryScope,
  workerId: string,
  leaseMs: number,
): Promise<OwnedRun[]> {
  const { rows } = await sql<OwnedRun>`
    SELECT id, claim_no AS "claimNo", attempt, started_at AS "startedAt",
      EXISTS (SELECT FROM run_fences f WHERE f.run_id = id) AS "isDirect", cancel_requested_at IS NOT NULL AS "cancelRequested",
      started_at < clock_timestamp() - ${leaseMs}::int * interval '1 millisecond' AS "isOld"
    FROM task_runs_open WHERE worker_id = ${workerId} AND state = 'running'`.execute(db);
  return rows;
}
