/**
 * Where a search for due runs begins. Searches read indexes by age, in which a claimed run leaves an entry until vacuum
 * removes it. While something holds the vacuum horizon (`../vacuum-horizon.ts`) these entries pile up at the beginning of
 * each index, and every search would walk past all of them. So a store whose full search met many, and was slow, searches
 * from a floor: the instant of the oldest run that may be claimed. The floor is looked for again after a rest in proportion
 * to what that took, and sooner where a search found too little. A run that becomes claimable with an earlier instant
 * meanwhile (staged late, or given a permit for which it had waited) is found after that rest.
 *
 * States: full → crowded (the floor is to be looked for) → floor, until its rest is over → crowded; → full, once dead rows
 * are few or the floor is found quickly.
 */
import type { Store } from "../database.ts";
import { DEAD_OPEN_ROWS } from "../vacuum-horizon.ts";
import { CLAIMABLE, OLDEST_FIRST } from "./claimable.ts";

/** Fewer dead rows slow nothing down. */
const LEAST_DEAD_ROWS = 20_000;
/** A search that takes no longer has not walked far; for each run it found it may take some more. */
const EXPECTED_MS = 5;
const EXPECTED_MS_PER_RUN = 0.2;
/** While slots are taken, looks for the floor take a thirtieth of the time; a run with an earlier instant waits at most 3 s. */
const LONG_REST = { ofLook: 30, mostMs: 3_000 };
/** While slots are free, a run with an earlier instant is what they wait for. */
const SHORT_REST = { ofLook: 4, mostMs: 500 };
/** Transactions that are under way add runs with earlier instants. */
const COMMIT_MS = 500;

const TOOK_MS = "extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 * 1000";
const IS_CROWDED = `${DEAD_OPEN_ROWS} >= ${LEAST_DEAD_ROWS}`;

/** SQL, a scalar subquery: what a full search took by the server's clock, where dead rows are many; else null. */
export const CROWDED_MS = `(SELECT ${TOOK_MS} WHERE ${IS_CROWDED})`;

const FIND_FLOOR = {
  name: "find-search-floor",
  text: `SELECT f.instant::text, ${TOOK_MS} AS "tookMs" FROM (
      SELECT least((SELECT available_at FROM task_runs_open WHERE ${CLAIMABLE} ORDER BY ${OLDEST_FIRST} LIMIT 1),
        statement_timestamp() - $1::int * interval '1 millisecond') AS instant OFFSET 0
    ) AS f WHERE ${IS_CROWDED}`,
};

export interface Floor {
  /** As PostgreSQL writes it; undefined: to be looked for. */
  instant: string | undefined;
  /** By a steady clock: until then searches begin there. */
  untilMs: number;
  /** The same after a search that found too little. */
  shortUntilMs: number;
}

const TO_BE_LOOKED_FOR: Floor = {
  ...{ instant: undefined, untilMs: Number.NEGATIVE_INFINITY, shortUntilMs: Number.NEGATIVE_INFINITY },
};

/** Whether a search that took so long, for so many runs, walked past many others. */
export const hasWalkedFar = (tookMs: number, found = 0): boolean =>
  tookMs > EXPECTED_MS + EXPECTED_MS_PER_RUN * found;

export const restAfterLook = (tookMs: number, { ofLook, mostMs } = LONG_REST): number =>
  Math.min(ofLook * tookMs, mostMs);

const floors = new WeakMap<Store["pool"], Floor>();

export function noteFloor({ pool }: Pick<Store, "pool">, floor: Floor): void {
  floors.set(pool, floor);
}

/**
 * Where searches of the store for runs that have been due for `overdueMs` begin now; undefined: at the beginning.
 * @param now by a steady clock, in ms
 */
export async function findFloor(
  store: Pick<Store, "pool">,
  overdueMs: number,
  now: () => number,
): Promise<string | undefined> {
  const { pool } = store;
  const floor = floors.get(pool);
  const fromMs = now();
  if (!floor || fromMs < floor.untilMs) return floor?.instant;
  const { rows } = await pool.query<{ instant: string; tookMs: number }>({
    ...FIND_FLOOR,
    values: [Math.max(overdueMs, 0) + COMMIT_MS],
  });
  const found = rows[0];
  if (!found || !hasWalkedFar(found.tookMs)) {
    floors.delete(pool);
    return undefined;
  }
  const { instant, tookMs } = found;
  const [untilMs, shortUntilMs] = [LONG_REST, SHORT_REST].map((rest) => fromMs + restAfterLook(tookMs, rest));
  noteFloor(store, { instant, untilMs: untilMs!, shortUntilMs: shortUntilMs! });
  return found.instant;
}

/** A full search has ended. `crowdedMs` is its `CROWDED_MS`. */
export function noteFullSearch(store: Pick<Store, "pool">, crowdedMs: number | null, found: number): void {
  if (crowdedMs !== null && hasWalkedFar(crowdedMs, found)) noteFloor(store, TO_BE_LOOKED_FOR);
}

/** A search from the floor has found fewer runs than it asked for. */
export function noteShortSearch(store: Pick<Store, "pool">): void {
  const floor = floors.get(store.pool);
  if (floor) noteFloor(store, { ...floor, untilMs: Math.min(floor.untilMs, floor.shortUntilMs) });
}
