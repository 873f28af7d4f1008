/**
 * queued → running: one batched statement that takes, counts and fences. It has three parts: `wanted` finds the runs and
 * locks them, `chosen` says which of them may start at once, `taken` starts those. Runs that may not start at once are
 * given to `admitRuns`, which starts them or has them wait.
 */
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { admitRuns, type LimitedRun } from "../limits/admit-runs.ts";
import { expectsLimits, noteClaim } from "../limits/met-limits.ts";
import {
  HAS_NO_LIMIT,
  HAS_PERMITS,
  LOCK_LIMITS,
  PERMITS,
  TAKE_PERMITS,
  WANTED_PERMITS,
} from "../limits/permits.ts";
import { CLAIM_ORDER, CLAIMABLE, CLAIMABLE_BY_ID, isDue } from "./claimable.ts";
import {
  type ClaimedRun,
  type ClaimRow,
  describe,
  TAKEN,
  TIMEOUT_MS,
  TRAFFIC,
  toClaimedRun,
} from "./claimed-run.ts";

export type { ClaimedRun } from "./claimed-run.ts";

const chosen = (permits: string, isFree: string) => `
  chosen AS MATERIALIZED (
    SELECT w.*, f.name AS function_name, ${TRAFFIC} AS traffic, ${permits} AS permits, ${isFree} AS is_free
    FROM wanted w LEFT JOIN functions f ON ${byIndex("f.id", "w.function_id")}
  )`;

/** Starts runs that no limit holds for, and those that were granted their permits. */
const CAREFREE = chosen("w.granted", HAS_NO_LIMIT);
/** Takes permits for the others, too. */
const WATCHFUL = `${LOCK_LIMITS}, ${chosen(PERMITS, HAS_PERMITS)}, ${TAKE_PERMITS}`;

// A row for each run that it took, or one of nulls. The first of them names those held up by limits.
const claim = (wanted: string, start: string) => `
  WITH wanted AS MATERIALIZED (${wanted} FOR UPDATE SKIP LOCKED), ${start}, ${TAKEN}
  ${describe(
    "(SELECT) AS one LEFT JOIN taken k ON true",
    `, CASE WHEN k.id IS NOT DISTINCT FROM (SELECT id FROM taken LIMIT 1) THEN (
      SELECT json_agg(json_build_object('id', id, 'keys', keys)) FROM chosen WHERE NOT is_free) END AS limited`,
  )}`;

interface ClaimTexts {
  carefree: { name: string; text: string };
  watchful: { name: string; text: string };
}

const toTexts = (name: string, wanted: string): ClaimTexts => ({
  carefree: { name, text: claim(wanted, CAREFREE) },
  watchful: { name: `${name}-with-permits`, text: claim(wanted, WATCHFUL) },
});

const wantedById = (bound = "") => `
    SELECT r.id, r.function_id, ${CLAIM_ORDER}, ${WANTED_PERMITS} FROM task_runs_open r
    WHERE r.id = ANY($2::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} ${bound}`;
const CLAIM_BY_ID = toTexts("claim-by-id", wantedById());
const CLAIM_SHORT_BY_ID = toTexts("claim-short-by-id", wantedById(`AND ${TIMEOUT_MS} <= $3`));
const CLAIM_DUE = toTexts(
  "claim-due",
  `
    SELECT r.id, r.function_id, ${CLAIM_ORDER}, ${WANTED_PERMITS} FROM task_runs_open r
    WHERE ${CLAIMABLE} AND ${isDue("$3::int")} ORDER BY ${CLAIM_ORDER} LIMIT $2`,
);

type AnsweredRow = (ClaimRow | { id: null }) & { limited: LimitedRun[] | null };

export interface Claim {
  runs: ClaimedRun[];
  /** How many runs were there for the claim: those it started, and those that wait for a permit instead. */
  found: number;
}

/**
 * Takes those of `runIds` that are queued and due; the others are somebody else's, early or gone. Where a function has
 * a limit of runs at once, some wait instead, and older ones may come in their place: never more than were named.
 */
export async function claimRuns(store: Store, workerId: string, runIds: string[]): Promise<ClaimedRun[]> {
  return (await runClaim(store, CLAIM_BY_ID, [workerId, runIds])).runs;
}

/** The same of those whose attempt may take `longestMs` at most; so does one that comes in another's place. */
export async function claimShortRuns(
  store: Store,
  workerId: string,
  runIds: string[],
  longestMs: number,
): Promise<ClaimedRun[]> {
  return (await runClaim(store, CLAIM_SHORT_BY_ID, [workerId, runIds, longestMs], longestMs)).runs;
}

/**
 * Takes the best `limit` runs that have been due for `overdueMs`; those that wait for a permit are not looked at. Where it
 * has found fewer, there were no more, but for those that another had locked.
 */
export async function claimDueRuns(
  store: Store,
  workerId: string,
  limit: number,
  overdueMs: number,
): Promise<Claim> {
  return await runClaim(store, CLAIM_DUE, [workerId, limit, overdueMs]);
}

async function runClaim(
  store: Store,
  texts: ClaimTexts,
  values: ClaimValues,
  longestMs: number | null = null,
): Promise<Claim> {
  const isWatchful = expectsLimits(store);
  const { taken: runs, limited } = await ask(store, isWatchful ? texts.watchful : texts.carefree, values);
  const found = runs.length + limited.length;
  if (found > 0) noteClaim(store, limited.length > 0 || runs.some(({ holdsPermits }) => holdsPermits));
  try {
    let tooMany = limited;
    if (!isWatchful && limited.length > 0) {
      const ids = limited.map(({ id }) => id);
      const answer = await ask(store, CLAIM_BY_ID.watchful, [values[0], ids]);
      runs.push(...answer.taken);
      tooMany = answer.limited;
    }
    const claimer = { workerId: values[0], longestMs };
    if (tooMany.length > 0) runs.push(...(await admitRuns(store, claimer, tooMany)));
  } catch (error) {
    // What was taken must start. The others are still queued, and the next claim to find them alone says what is wrong.
    if (runs.length === 0) throw error;
  }
  return { runs, found };
}

async function ask(
  store: Store,
  statement: { name: string; text: string },
  values: ClaimValues,
): Promise<{ taken: ClaimedRun[]; limited: LimitedRun[] }> {
  const { rows } = await store.plannedPool.query<AnsweredRow>({ ...statement, values });
  const taken: ClaimedRun[] = [];
  let limited: LimitedRun[] = [];
  for (const row of rows) {
    if (row.limited) limited = row.limited;
    if (row.id !== null) taken.push(toClaimedRun(row));
  }
  return { taken, limited };
}

type ClaimValues = [workerId: string, ...unknown[]];
