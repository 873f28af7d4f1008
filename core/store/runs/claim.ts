/** queued → running: one batched statement that takes, counts and fences. */
import type { Store } from "../database.ts";
import { CLAIM_ORDER, CLAIMABLE, CLAIMABLE_BY_ID, isDue } from "./claimable.ts";
import {
  type ClaimedRun,
  type ClaimRow,
  DESCRIBED,
  TAKEN,
  TIMEOUT_MS,
  TRAFFIC,
  toClaimedRun,
} from "./claimed-run.ts";
import { admitRuns } from "./room.ts";

export type { ClaimedRun } from "./claimed-run.ts";

/** Takes the rows of a CTE `wanted` whose functions have no limit of runs at once; the others are only named. */
const CLAIM = `
  chosen AS MATERIALIZED (
    SELECT w.id, w.function_id, w.available_at, f.name AS function_name, ${TRAFFIC} AS traffic,
      v.limits ->> 'concurrency' IS NULL AS is_free, false AS holds_room
    FROM wanted w LEFT JOIN functions f ON f.id = w.function_id
      LEFT JOIN function_revisions v ON v.id = f.active_revision_id
  ), ${TAKEN} ${DESCRIBED}
  UNION ALL
  (SELECT id, NULL, NULL, NULL, function_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL
  FROM chosen WHERE NOT is_free ORDER BY available_at, id)`;

const claimById = (bound: string) => `
  WITH wanted AS MATERIALIZED (
    SELECT id, function_id, available_at FROM task_runs_open r
    WHERE id = ANY($2::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} ${bound}
    FOR UPDATE SKIP LOCKED
  ), ${CLAIM}`;
const CLAIM_BY_ID = { name: "claim-by-id", text: claimById("") };
const CLAIM_SHORT_BY_ID = { name: "claim-short-by-id", text: claimById(`AND ${TIMEOUT_MS} <= $3`) };

const CLAIM_DUE = `
  WITH wanted AS MATERIALIZED (
    SELECT id, function_id, available_at FROM task_runs_open
    WHERE ${CLAIMABLE} AND ${isDue("$3::int")} ORDER BY ${CLAIM_ORDER} LIMIT $2 FOR UPDATE SKIP LOCKED
  ), ${CLAIM}`;

/** Of a function with a limit: not taken yet. */
interface LimitedRow {
  id: string;
  claim_no: null;
  function_id: string;
}

/**
 * Takes those of `runIds` that are queued and due; the others are somebody else's, early or gone. Where a function has
 * a limit of runs at once, some wait instead, and older ones may come in their place: never more than were named.
 */
export async function claimRuns(store: Store, workerId: string, runIds: string[]): Promise<ClaimedRun[]> {
  const query = { ...CLAIM_BY_ID, values: [workerId, runIds] };
  const { rows } = await store.pool.query<ClaimRow | LimitedRow>(query);
  return await admitLimited(store, workerId, rows);
}

/**
 * The same of those whose attempt may take `longestMs` at most. One that comes in another's place may take longer: look
 * at its `timeoutMs`.
 */
export async function claimShortRuns(
  store: Store,
  workerId: string,
  runIds: string[],
  longestMs: number,
): Promise<ClaimedRun[]> {
  const query = { ...CLAIM_SHORT_BY_ID, values: [workerId, runIds, longestMs] };
  const { rows } = await store.pool.query<ClaimRow | LimitedRow>(query);
  return await admitLimited(store, workerId, rows);
}

/** Takes up to `limit` runs that have been due for `overdueMs`, oldest first; those that wait for room are not looked at. */
export async function claimDueRuns(
  store: Store,
  workerId: string,
  limit: number,
  overdueMs: number,
): Promise<ClaimedRun[]> {
  const { rows } = await store.pool.query<ClaimRow | LimitedRow>({
    name: "claim-due",
    text: CLAIM_DUE,
    values: [workerId, limit, overdueMs],
  });
  return await admitLimited(store, workerId, rows);
}

async function admitLimited(
  store: Store,
  workerId: string,
  rows: (ClaimRow | LimitedRow)[],
): Promise<ClaimedRun[]> {
  const taken: ClaimedRun[] = [];
  const limited: { id: string; functionId: string }[] = [];
  for (const row of rows) {
    if (row.claim_no === null) limited.push({ id: row.id, functionId: row.function_id });
    else taken.push(toClaimedRun(row));
  }
  if (limited.length === 0) return taken;
  try {
    return [...taken, ...(await admitRuns(store, workerId, limited))];
  } catch (error) {
    // What was taken must start. The others are still queued, and the next claim to find them alone says what is wrong.
    if (taken.length === 0) throw error;
    return taken;
  }
}

export interface EarlyRun {
  id: string;
  availableAt: Date;
  /** Until its instant, by the database's clock, which is the one claims obey. */
  waitMs: number;
  /** The most its attempt may take. */
  timeoutMs: number;
}

/** Of `runIds`, those that still wait for their instant, or for a claim; those that wait for room are left out. */
export async function findEarlyRuns(store: Store, runIds: string[]): Promise<EarlyRun[]> {
  const { rows } = await store.pool.query<EarlyRun>({
    name: "early-runs",
    text: `SELECT id, available_at AS "availableAt",
        greatest(0, ceil(extract(epoch FROM available_at - clock_timestamp()) * 1000))::float8 AS "waitMs",
        ${TIMEOUT_MS} AS "timeoutMs"
      FROM task_runs_open r
      WHERE id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID}`,
    values: [runIds],
  });
  return rows;
}

/** Milliseconds until the next queued run that waits for no room becomes due, by the database's clock (0: now); null when none is queued. */
export async function msUntilNextQueued(store: Store): Promise<number | null> {
  const { rows } = await store.pool.query<{ ms: number | null }>({
    name: "next-queued",
    text: `SELECT ceil(extract(epoch FROM min(available_at) - clock_timestamp()) * 1000)::float8 AS ms
      FROM task_runs_open WHERE ${CLAIMABLE}`,
  });
  const ms = rows[0]?.ms ?? null;
  return ms === null ? null : Math.max(ms, 0);
}
