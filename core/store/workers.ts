/** A worker's lease: one row and one write per heartbeat, whatever it runs. */
import { sql } from "kysely";
import type { Db } from "./database.ts";

export interface WorkerFacts {
  id: string;
  host: string;
  pid: number;
  slots: number;
}

/** Writes the worker's row, or makes its lease new. By the database's clock. */
export async function renewLease(
  db: Db,
  worker: WorkerFacts,
  leaseMs: number,
  draining: boolean,
): Promise<void> {
  await sql`
    INSERT INTO workers (id, host, pid, slots, lease_until, draining)
    VALUES (${worker.id}, ${worker.host}, ${worker.pid}, ${worker.slots},
      clock_timestamp() + ${leaseMs}::int * interval '1 millisecond', ${draining})
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, draining = excluded.draining`.execute(
    db,
  );
}

export async function removeWorker(db: Db, workerId: string): Promise<void> {
  await db.deleteFrom("workers").where("id", "=", workerId).execute();
}

/** Rows of workers that are long gone and own nothing. */
export async function removeExpiredWorkers(db: Db): Promise<void> {
  await sql`
    DELETE FROM workers w WHERE lease_until < clock_timestamp() - interval '1 hour'
      AND NOT EXISTS (SELECT FROM task_runs_open r WHERE r.worker_id = w.id AND r.state = 'running')`.execute(
    db,
  );
}
