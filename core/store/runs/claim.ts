/**
 * queued → running: one batched statement that takes, counts and fences. It has three parts: `wanted` finds the runs and
 * locks them, `chosen` says which of them may start at once, `taken` starts those. Runs that may not start at once are
 * given to `admitRuns`, which starts them or has them wait.
 */
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { admitRuns } from "../limits/admit-runs.ts";
import { expectsFarLimits, expectsOneKey, noteKeys, noteLimits } from "../limits/far-limits.ts";
import { expectsLimits, noteClaim } from "../limits/met-limits.ts";
import {
  ALL_LIMITS,
  HAS_NO_LIMIT,
  HAS_PERMITS,
  HAS_PERMITS_OF_ONE,
  LOCK_LIMITS,
  ONE_KEY,
  PERMITS,
  PERMITS_OF_ONE,
  TAKE_FAR_PERMITS,
  TAKE_OF_ONE,
  TAKE_PERMITS,
  WANTED_PERMITS,
} from "../limits/permits.ts";
import { writePolicyTexts } from "../tasks/policy-columns.ts";
import { type ClaimAnswer, readClaimAnswer, type Told } from "./claim-answer.ts";
import { CLAIMABLE, CLAIMABLE_BY_ID, isDue, OLDEST_FIRST } from "./claimable.ts";
import { type ClaimedRun, COMMON, describeBriefly, TAKEN, TIMEOUT_MS, TRAFFIC } from "./claimed-run.ts";
import { findFloor, IS_CROWDED, noteFullSearch, noteShortSearch } from "./search-floor.ts";
import {
  bestOfSome,
  findUnspent,
  NAMESPACES_A_CLAIM,
  SHARED_COLUMNS,
  sharedOut,
  sharingOf,
} from "./share-claims.ts";

export type { ClaimedRun } from "./claimed-run.ts";

const chosen = (permits: string, isFree: string, beside = "") => `
  chosen AS MATERIALIZED (
    SELECT w.*, f.name AS function_name, ${TRAFFIC} AS traffic, ${permits} AS permits, ${isFree} AS is_free
    FROM wanted w LEFT JOIN functions f ON ${byIndex("f.id", "w.function_id")} ${beside}
  )`;

/** Starts runs that no limit holds for, and those that were granted their permits. */
const CAREFREE = chosen("w.granted", HAS_NO_LIMIT);
const watchful = (take: string) => `${LOCK_LIMITS}, ${chosen(PERMITS, HAS_PERMITS, ALL_LIMITS)}, ${take}`;
/** Takes permits for the others, too. */
const WATCHFUL = watchful(TAKE_PERMITS);
/** The same, and leaves uncounted what was given back. */
const FARSIGHTED = watchful(TAKE_FAR_PERMITS);
/** The same of runs that name one key, or none; where they name several it starts those that name none. */
const OF_ONE_KEY = `${TAKE_OF_ONE}, ${chosen(PERMITS_OF_ONE, HAS_PERMITS_OF_ONE, ONE_KEY)}`;

/** CTEs that find runs and lock them, the last one `wanted`, and what the answer tells of them besides. */
interface Search {
  ctes: string;
  columns?: string;
}

// A row for each run that it took, or one of nulls. One of them says what is told besides, those held up by limits among it.
const claim = ({ ctes, columns = "" }: Search, start: string) => `
  WITH RECURSIVE ${ctes}, ${start}, ${TAKEN}, ${COMMON}
  ${describeBriefly(
    "(SELECT) AS one LEFT JOIN taken k ON true",
    `, CASE WHEN k.id IS NOT DISTINCT FROM (SELECT id FROM taken LIMIT 1) THEN json_build_object(
      'limited', (SELECT json_agg(json_build_object('id', id, 'keys', keys)) FROM chosen WHERE NOT is_free),
      'common', (SELECT ${writePolicyTexts("policy", "retry", ", 'spec', spec")} FROM common)${columns}) END AS told`,
  )}`;

/** What a claim does for limits, by what its store expects of them. */
type ClaimWay = "carefree" | "watchful" | "farsighted" | "ofOneKey";
type ClaimTexts = Record<ClaimWay, { name: string; text: string }>;

function chooseWay(store: Store): ClaimWay {
  if (!expectsLimits(store)) return "carefree";
  if (!expectsFarLimits(store)) return "watchful";
  return expectsOneKey(store) ? "ofOneKey" : "farsighted";
}

const toTexts = (name: string, search: Search): ClaimTexts => ({
  carefree: { name, text: claim(search, CAREFREE) },
  watchful: { name: `${name}-with-permits`, text: claim(search, WATCHFUL) },
  farsighted: { name: `${name}-with-far-permits`, text: claim(search, FARSIGHTED) },
  ofOneKey: { name: `${name}-of-one-key`, text: claim(search, OF_ONE_KEY) },
});

const WANTED = `r.id, r.function_id, ${WANTED_PERMITS}`;
const wanted = (condition: string): string => `
  wanted AS MATERIALIZED (
    SELECT ${WANTED} FROM task_runs_open r WHERE ${condition} FOR UPDATE SKIP LOCKED
  )`;

const byId = (bound = ""): Search => ({
  ctes: wanted(`r.id = ANY($2::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} ${bound}`),
});
const CLAIM_BY_ID = toTexts("claim-by-id", byId());
const CLAIM_SHORT_BY_ID = toTexts("claim-short-by-id", byId(`AND ${TIMEOUT_MS} <= $3`));

/** Those of one way to search for what is due. $1: the worker; $2: how many at most; $3: for how many ms they have been due. */
interface Searches {
  /** All that is due, or where that is more than may be taken, nothing: then it matters which runs are. */
  all: ClaimTexts;
  oldest: ClaimTexts;
  /** $4: the namespace after which it begins. */
  shares: ClaimTexts;
  /** $4: the namespaces. */
  best: ClaimTexts;
}

/** `from` is given the number of its parameter, the last one. */
function toSearches(suffix: string, from: (number: number) => string, columns: string): Searches {
  const due = `${CLAIMABLE} AND ${isDue("$3::int")} ${from(4)}`;
  const oldest = (condition = "") => wanted(`${due} ${condition} ORDER BY ${OLDEST_FIRST} LIMIT $2`);
  return {
    all: toTexts(`claim-all-due${suffix}`, {
      ctes: `backlog AS MATERIALIZED (
        SELECT count(*) > $2 AS is_there FROM (SELECT FROM task_runs_open WHERE ${due} LIMIT $2 + 1) AS due
      ), ${oldest("AND NOT (SELECT is_there FROM backlog)")}`,
      columns: `, 'hasBacklog', (SELECT is_there FROM backlog) ${columns}`,
    }),
    oldest: toTexts(`claim-oldest${suffix}`, { ctes: oldest() }),
    shares: toTexts(`claim-shares${suffix}`, {
      ctes: sharedOut(WANTED, from(5)),
      columns: `${SHARED_COLUMNS} ${columns}`,
    }),
    best: toTexts(`claim-best${suffix}`, { ctes: bestOfSome(WANTED, from(5)) }),
  };
}

const FULL = toSearches("", () => "", `, 'isCrowded', ${IS_CROWDED}`);
const FROM_FLOOR = toSearches("-from-floor", (number) => `AND available_at >= $${number}::timestamptz`, "");

type Answer = Claim & { told: Told };

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
 * Takes `limit` runs that have been due for `overdueMs`; those that wait for a permit are not looked at. Where more are
 * due, namespaces share what it takes, and of each the best are taken. Where it has found fewer, there were no more, but
 * for those that another had locked, and what a search from a floor leaves (search-floor.ts).
 */
export async function claimDueRuns(
  store: Store,
  workerId: string,
  limit: number,
  overdueMs: number,
): Promise<Claim> {
  const sharing = sharingOf(store);
  const values: [string, number, number] = [workerId, limit, overdueMs];
  if (!sharing.hasBacklog) {
    const { told, ...claim } = await search(store, "all", values);
    if (!told.hasBacklog) return claim;
    sharing.hasBacklog = true;
  }
  const claim = await search(store, "shares", [...values, sharing.after]);
  sharing.after = claim.told.lastNamespaceId ?? sharing.after;
  const { runs, found } = await fillUp(store, values, claim);
  if (found < limit) sharing.hasBacklog = false;
  return { runs, found };
}

/** A full search, or one from the store's floor while it has one. */
async function search(store: Store, kind: keyof Searches, values: SearchValues): Promise<Answer> {
  const floor = await findFloor(store, values[2], () => performance.now());
  const isFull = floor === undefined;
  const answer = await runClaim(
    store,
    isFull ? FULL[kind] : FROM_FLOOR[kind],
    isFull ? values : [...values, floor],
  );
  const { found, told } = answer;
  if (isFull) noteFullSearch(store, told.isCrowded ?? false);
  else if (found < values[1] && !told.hasBacklog) noteShortSearch(store);
  return answer;
}

/** What some namespaces left of their shares goes to the others, those that were not visited included. */
async function fillUp(
  store: Store,
  [workerId, limit, overdueMs]: [string, number, number],
  { runs, found, told: { visited = 0 } }: Answer,
): Promise<Claim> {
  const all = { runs: [...runs], found };
  const add = async (kind: keyof Searches, ...more: unknown[]) => {
    const claim = await search(store, kind, [workerId, limit - all.found, overdueMs, ...more]);
    all.runs.push(...claim.runs);
    all.found += claim.found;
  };
  try {
    const unspent = visited > 1 && found < limit ? findUnspent(runs, limit, visited) : [];
    if (unspent.length > 0) await add("best", unspent);
    // Runs that met a limit are counted in no share.
    const mayBeMore = visited >= NAMESPACES_A_CLAIM || (visited > 1 && found > runs.length);
    if (mayBeMore && all.found < limit) await add("oldest");
  } catch (error) {
    // What was taken must start.
    if (all.runs.length === 0) throw error;
  }
  return all;
}

async function runClaim(
  store: Store,
  texts: ClaimTexts,
  values: ClaimValues,
  longestMs: number | null = null,
): Promise<Answer> {
  const way = chooseWay(store);
  const { taken: runs, limited, told } = await ask(store, texts[way], values);
  const found = runs.length + limited.length;
  if (found > 0) noteClaim(store, limited.length > 0 || runs.some(({ holdsPermits }) => holdsPermits));
  if (way === "farsighted") noteKeys(store, false);
  try {
    let tooMany = limited;
    if ((way === "carefree" || way === "ofOneKey") && limited.length > 0) {
      if (way === "ofOneKey") noteKeys(store, true);
      const ids = limited.map(({ id }) => id);
      const answer = await ask(store, CLAIM_BY_ID.watchful, [values[0], ids]);
      runs.push(...answer.taken);
      tooMany = answer.limited;
    }
    if (tooMany.length > 0) noteLimits(store, false);
    const claimer = { workerId: values[0], longestMs };
    if (tooMany.length > 0) runs.push(...(await admitRuns(store, claimer, tooMany)));
  } catch (error) {
    // What was taken must start. The others are still queued, and the next claim to find them alone says what is wrong.
    if (runs.length === 0) throw error;
  }
  return { runs, found, told };
}

async function ask(
  store: Store,
  statement: { name: string; text: string },
  values: ClaimValues,
): Promise<ClaimAnswer> {
  return readClaimAnswer(
    await store.plannedPool.query<unknown[]>({ ...statement, values, rowMode: "array" }),
  );
}

type ClaimValues = [workerId: string, ...unknown[]];
type SearchValues = [workerId: string, limit: number, overdueMs: number, ...unknown[]];
