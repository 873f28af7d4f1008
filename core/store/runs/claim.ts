/**
 * queued → running: one batched statement that takes, counts and fences. It has three parts: `wanted` finds the runs and
 * locks them, `chosen` says which of them may start at once, `taken` starts those. Runs that may not start at once are
 * given to `admitRuns`, which starts them or has them wait.
 */
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

/** Of the rows of `wanted`, in the order of claims: whether a limit of their function has to be asked first. */
const CHOSEN = `
  chosen AS MATERIALIZED (
    SELECT w.*, f.name AS function_name, ${TRAFFIC} AS traffic,
      v.limits ->> 'concurrency' IS NULL AS is_free, false AS holds_room
    FROM wanted w LEFT JOIN functions f ON f.id = w.function_id
      LEFT JOIN function_revisions v ON v.id = f.active_revision_id
  )`;

// A row for each run that it took, the first of which, or one of nulls where there is none, names those with a limit.
const claim = (wanted: string) => `
  WITH wanted AS MATERIALIZED (${wanted} FOR UPDATE SKIP LOCKED), ${CHOSEN}, ${TAKEN}
  SELECT d.*, CASE WHEN row_number() OVER () = 1 THEN l.runs END AS limited
  FROM (
    SELECT json_agg(json_build_object('id', id, 'functionId', function_id) ORDER BY ${CLAIM_ORDER}, id) AS runs
    FROM chosen WHERE NOT is_free
  ) AS l LEFT JOIN (${DESCRIBED}) AS d ON true`;

const claimById = (bound = "") =>
  claim(`
    SELECT id, function_id, ${CLAIM_ORDER} FROM task_runs_open r
    WHERE id = ANY($2::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} ${bound}`);
const CLAIM_BY_ID = { name: "claim-by-id", text: claimById() };
const CLAIM_SHORT_BY_ID = { name: "claim-short-by-id", text: claimById(`AND ${TIMEOUT_MS} <= $3`) };

const CLAIM_DUE = {
  name: "claim-due",
  text: claim(`
    SELECT id, function_id, ${CLAIM_ORDER} FROM task_runs_open
    WHERE ${CLAIMABLE} AND ${isDue("$3::int")} ORDER BY ${CLAIM_ORDER} LIMIT $2`),
};

type AnsweredRow = (ClaimRow | { id: null }) & { limited: LimitedRun[] | null };

/** Not taken yet. */
interface LimitedRun {
  id: string;
  functionId: string;
}

export interface Claim {
  runs: ClaimedRun[];
  /** How many runs were there for the claim: those it started, and those that wait for room instead. */
  found: number;
}

/**
 * Takes those of `runIds` that are queued and due; the others are somebody else's, early or gone. Where a function has
 * a limit of runs at once, some wait instead, and older ones may come in their place: never more than were named.
 */
export async function claimRuns(store: Store, workerId: string, runIds: string[]): Promise<ClaimedRun[]> {
  return (await runClaim(store, { ...CLAIM_BY_ID, values: [workerId, runIds] })).runs;
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
  return (await runClaim(store, { ...CLAIM_SHORT_BY_ID, values: [workerId, runIds, longestMs] })).runs;
}

/**
 * Takes the best `limit` runs that have been due for `overdueMs`; those that wait for room are not looked at. Where it
 * has found fewer, there were no more, but for those that another had locked.
 */
export async function claimDueRuns(
  store: Store,
  workerId: string,
  limit: number,
  overdueMs: number,
): Promise<Claim> {
  return await runClaim(store, { ...CLAIM_DUE, values: [workerId, limit, overdueMs] });
}

async function runClaim(store: Store, query: Statement): Promise<Claim> {
  const [workerId] = query.values;
  const { rows } = await store.pool.query<AnsweredRow>(query);
  const taken: ClaimedRun[] = [];
  let limited: LimitedRun[] = [];
  for (const row of rows) {
    if (row.limited) limited = row.limited;
    if (row.id !== null) taken.push(toClaimedRun(row));
  }
  const found = taken.length + limited.length;
  if (limited.length === 0) return { runs: taken, found };
  try {
    return { runs: [...taken, ...(await admitRuns(store, workerId, limited))], found };
  } catch (error) {
    // What was taken must start. The others are still queued, and the next claim to find them alone says what is wrong.
    if (taken.length === 0) throw error;
    return { runs: taken, found };
  }
}

interface Statement {
  name: string;
  text: string;
  values: [workerId: string, ...unknown[]];
}
