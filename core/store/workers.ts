/** A worker's lease: one row and one write per heartbeat, whatever it runs. */
import { sql } from "kysely";
import { SERVER_WORD, type ServerWord } from "./contact.ts";
import type { Db, QueryScope, Store } from "./database.ts";
import type { Channel } from "./notify.ts";

/** Whoever hands calls to workers waits for it: sent with the row, it comes a round trip sooner than after it. */
const COME = "bellhop_workers" satisfies Channel;

export interface WorkerFacts {
  id: string;
  host: string;
  pid: number;
  slots: number;
  /** The most of them that were taken at once since its word before. Default 0. */
  busy?: number | undefined;
  /** By which way its runs come: the setting WORKER_RECEIVE. Default `queue`. */
  receive?: string | undefined;
  /** Where calls reach it directly, host:port; undefined: only through the queue. */
  address?: string | undefined;
  /** What such a call must show. */
  callToken?: string | undefined;
}

/**
 * Writes the worker's row, and rings that it has come, or makes its lease new. By the database's clock, whose time it answers.
 * Who drains does so for good: a word that was overtaken changes nothing.
 *
 * The first need not be on the disk when it is answered. Of a direct call the worker writes under it what comes after it in
 * the server's log: whoever finds that on the disk finds the lease, too. A claim would not do: a server that crashed and
 * recovered without the row would have it rescued before the worker's next word. So nothing is claimed before a second,
 * durable word (runtime/lease.ts), which follows at once.
 */
export async function renewLease(
  db: Db,
  worker: WorkerFacts,
  leaseMs: number,
  draining: boolean,
  isFirst = false,
): Promise<{ at: Date }> {
  // For this statement's transaction, whose own setting holds when it is committed.
  const atOnce = isFirst ? sql`, set_config('synchronous_commit', 'off', true)` : sql``;
  const { rows } = await sql<{ at: Date }>`
    INSERT INTO workers (id, host, pid, slots, busy, receive, address, call_token, lease_ms, lease_until, draining)
    VALUES (${worker.id}, ${worker.host}, ${worker.pid}, ${worker.slots}, ${worker.busy ?? 0}, ${worker.receive ?? "queue"},
      ${worker.address ?? null}, ${worker.callToken ?? null}, ${leaseMs}::int, clock_timestamp() + ${leaseMs}::int * interval '1 millisecond', ${draining})
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, busy = excluded.busy,
      draining = workers.draining OR excluded.draining
    RETURNING clock_timestamp() AS at, CASE WHEN xmax = 0 THEN pg_notify(${COME}, '') END${atOnce}`.execute(
    db,
  );
  return rows[0]!;
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

/** Of all workers that take work. */
export async function countSlots({ pool }: QueryScope): Promise<number> {
  const { rows } = await pool.query<{ slots: number }>({
    name: "count-slots",
    text: `SELECT coalesce(sum(slots), 0)::int AS slots FROM workers WHERE NOT draining AND lease_until > clock_timestamp()`,
  });
  return rows[0]!.slots;
}

/** The same, with those whose leases have run out: right after an outage all have, though the workers live. */
export async function countKnownSlots({ pool }: QueryScope): Promise<number> {
  const { rows } = await pool.query<{ slots: number }>(
    "SELECT coalesce(sum(slots), 0)::int AS slots FROM workers WHERE NOT draining",
  );
  return rows[0]!.slots;
}

/** A worker that takes calls directly, unless it is draining. */
export interface CallableWorker {
  id: string;
  address: string;
  callToken: string;
  slots: number;
  isDraining: boolean;
  leaseMs: number;
  /** Its lease ran out: it is gone, or the database stood still. */
  isLapsed: boolean;
}

const ASSUMED_LEASE_MS = 15_000;

export interface CallableWorkers {
  /** What leases were compared with. */
  word: ServerWord;
  workers: CallableWorker[];
  /** Whether others stand that take work by the queue alone. */
  hasQueueWorkers: boolean;
}

export async function listCallableWorkers(store: Store): Promise<CallableWorkers> {
  const { rows } = await store.pool.query<
    ServerWord & { worker: CallableWorker | null; hasQueueWorkers: boolean }
  >({
    name: "callable-workers",
    text: `SELECT s.*, CASE WHEN w.id IS NOT NULL THEN json_build_object('id', w.id, 'address', w.address,
        'callToken', w.call_token, 'slots', w.slots, 'isDraining', w.draining,
        'leaseMs', coalesce(w.lease_ms, ${ASSUMED_LEASE_MS}), 'isLapsed', w.lease_until <= s.at) END AS worker,
        EXISTS (SELECT FROM workers q WHERE q.address IS NULL AND NOT q.draining AND q.lease_until > s.at)
          AS "hasQueueWorkers"
      FROM (${SERVER_WORD}) AS s LEFT JOIN workers w ON w.address IS NOT NULL`,
  });
  const workers = rows.flatMap(({ worker }) => worker ?? []);
  return { word: rows[0]!, workers, hasQueueWorkers: rows[0]!.hasQueueWorkers };
}

/** A worker whose lease stands, as `GET /v1/workers` lists it. `free`: slots, as of its last word, about a second old; the last one that is freed is told after three at most. */
export interface ListedWorker {
  id: string;
  host: string;
  pid: number;
  since: Date;
  slots: number;
  free: number;
  receive: string;
  draining: boolean;
}

/** Oldest first; at most `limit`. */
export async function listWorkers(store: Store, limit: number): Promise<ListedWorker[]> {
  const { rows } = await store.pool.query<ListedWorker>({
    name: "list-workers",
    text: `SELECT id, host, pid, started_at AS since, slots, greatest(slots - busy, 0) AS free, receive, draining FROM workers
      WHERE lease_until > clock_timestamp() ORDER BY id LIMIT $1`,
    values: [limit],
  });
  return rows;
}

/** A worker that takes work, as an autoscaler counts it. */
export interface ServingWorker {
  id: string;
  slots: number;
  /** Slots taken, as of its last word, about a second old; that none is any more is told after three at most. */
  busy: number;
}

/** A worker that takes work from the queue (SQL). */
export const SERVING = "lease_until > clock_timestamp() AND NOT draining AND receive <> 'events'";

/** Oldest first. Those that are sent events take nothing from the queue, however much waits there. */
export async function listServingWorkers({ pool }: QueryScope): Promise<ServingWorker[]> {
  const { rows } = await pool.query<ServingWorker>({
    name: "serving-workers",
    text: `SELECT id, slots, busy FROM workers WHERE ${SERVING} ORDER BY id`,
  });
  return rows;
}
