/** A worker's lease: one row and one write per heartbeat, whatever it runs. */
import { sql } from "kysely";
import type { Db, Store } from "./database.ts";

export interface WorkerFacts {
  id: string;
  host: string;
  pid: number;
  slots: number;
  /** Where calls reach it directly, host:port; undefined: only through the queue. */
  address?: string | undefined;
  /** What such a call must show. */
  callToken?: string | undefined;
}

/** Writes the worker's row, or makes its lease new. By the database's clock. */
export async function renewLease(
  db: Db,
  worker: WorkerFacts,
  leaseMs: number,
  draining: boolean,
): Promise<void> {
  await sql`
    INSERT INTO workers (id, host, pid, slots, address, call_token, lease_until, draining)
    VALUES (${worker.id}, ${worker.host}, ${worker.pid}, ${worker.slots}, ${worker.address ?? null},
      ${worker.callToken ?? null}, clock_timestamp() + ${leaseMs}::int * interval '1 millisecond', ${draining})
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

/** A worker that takes calls directly, unless it is draining. */
export interface CallableWorker {
  id: string;
  address: string;
  callToken: string;
  slots: number;
  isDraining: boolean;
}

export async function listCallableWorkers(store: Store): Promise<CallableWorker[]> {
  const { rows } = await store.pool.query<CallableWorker>({
    name: "callable-workers",
    text: `SELECT id, address, call_token AS "callToken", slots, draining AS "isDraining" FROM workers
      WHERE address IS NOT NULL AND lease_until > clock_timestamp()`,
  });
  return rows;
}
