/**
 * Where a search for due runs begins. Searches read indexes by age, in which a claimed run leaves an entry until vacuum
 * removes it. While something holds the vacuum horizon (`../vacuum-horizon.ts`) these entries pile up at the beginning of
 * each index, and every search would walk past all of them. So a store whose full search met many dead rows looks for its
 * floor, the instant of the oldest run that may be claimed, and where two looks in a row walked far, searches from there.
 * What is claimed meanwhile leaves its entries above the floor, so it is raised five times a second, by a look that begins
 * at the last one and goes on beside the search: who searches from a lower floor walks further and finds the same. From the
 * beginning it is looked for again after a rest in proportion to what that took, and sooner where a search found too little. A run that becomes claimable with an earlier instant meanwhile (staged late, or given a permit
 * for which it had waited) is found after that rest.
 *
 * States: full → crowded (the floor is to be looked for) → floor (→ raised), or full for a while where it was found
 * quickly; → crowded, when that rest is over; → full, once dead rows are few.
 */
import type { Store } from "../database.ts";
import { DEAD_OPEN_ROWS } from "../vacuum-horizon.ts";
import { CLAIMABLE, OLDEST_FIRST } from "./claimable.ts";

/** Fewer dead rows slow nothing down. */
const LEAST_DEAD_ROWS = 20_000;
/** A look for the floor that takes longer has walked so far that no search should. */
const LONG_WALK_MS = 1;
/** Until the next one, where it took no longer. */
const QUICK_REST_MS = 1_000;
/** While slots are taken, looks for the floor take a hundredth of the time; a run with an earlier instant waits at most 3 s. */
const LONG_REST = { ofLook: 100, mostMs: 3_000 };
/** While slots are free, a run with an earlier instant is what they wait for. */
const SHORT_REST = { ofLook: 4, mostMs: 500 };
/** Walking past a thousand dead entries takes 0.2 ms: that much more of a claim, where a thousand runs a second are claimed. */
const RAISE_AFTER_MS = 200;
/** Transactions that are under way add runs with earlier instants. */
const COMMIT_MS = 500;

const TOOK_MS = "extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 * 1000";
/** SQL: whether dead rows are many. */
export const IS_CROWDED = `${DEAD_OPEN_ROWS} >= ${LEAST_DEAD_ROWS}`;

/** $1: how old it is at least, in ms. */
const findOldest = (name: string, from: string) => ({
  name,
  text: `SELECT f.instant::text, ${TOOK_MS} AS "tookMs" FROM (
      SELECT least((SELECT available_at FROM task_runs_open WHERE ${CLAIMABLE} ${from} ORDER BY ${OLDEST_FIRST} LIMIT 1),
        statement_timestamp() - $1::int * interval '1 millisecond') AS instant OFFSET 0
    ) AS f WHERE ${IS_CROWDED}`,
});
const FIND_FLOOR = findOldest("find-search-floor", "");
/** $2: the last one. */
const RAISE_FLOOR = findOldest("raise-search-floor", "AND available_at >= $2::timestamptz");

export interface Floor {
  /** As PostgreSQL writes it; undefined: searches are full. */
  instant: string | undefined;
  /** By a steady clock: until then searches begin there. Then it is looked for. */
  untilMs: number;
  /** The same after a search that found too little. */
  shortUntilMs: number;
  /** It is raised beside the first search from then on. */
  raiseAtMs: number;
  /** Of a floor that is to be looked for: the last look walked far. One alone may have waited for a processor. */
  wasSlow: boolean;
}

const TO_BE_LOOKED_FOR: Floor = {
  ...{ instant: undefined, untilMs: Number.NEGATIVE_INFINITY, shortUntilMs: Number.NEGATIVE_INFINITY },
  ...{ raiseAtMs: Number.POSITIVE_INFINITY, wasSlow: false },
};

export const restAfterLook = (tookMs: number, { ofLook, mostMs } = LONG_REST): number =>
  Math.min(ofLook * tookMs, mostMs);

/** One that was looked for anew is another object; what is noted of one, or raises it, changes it. */
const floors = new WeakMap<Store["pool"], Floor>();
/** Those for which the look is under way. */
const raising = new WeakSet<Floor>();

export function noteFloor({ pool }: Pick<Store, "pool">, floor: Floor): void {
  floors.set(pool, { ...floor });
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
  const floor = floors.get(store.pool);
  if (!floor) return undefined;
  const leastAgeMs = Math.max(overdueMs, 0) + COMMIT_MS;
  const nowMs = now();
  if (nowMs >= floor.untilMs) return await lookForFloor(store, leastAgeMs, nowMs, floor);
  if (nowMs >= floor.raiseAtMs && !raising.has(floor)) {
    floor.raiseAtMs = nowMs + RAISE_AFTER_MS;
    // Where it fails the floor stays where it is; whatever lasts is told by the look from the beginning, seconds later.
    raiseFloor(store, leastAgeMs, floor).catch(() => {});
  }
  return floor.instant;
}

async function lookForFloor(
  store: Pick<Store, "pool">,
  leastAgeMs: number,
  nowMs: number,
  last: Floor,
): Promise<string | undefined> {
  const { rows } = await store.pool.query<{ instant: string; tookMs: number }>({
    ...FIND_FLOOR,
    values: [leastAgeMs],
  });
  if (!rows[0]) {
    floors.delete(store.pool);
    return undefined;
  }
  const { instant, tookMs } = rows[0];
  if (tookMs <= LONG_WALK_MS) {
    noteFloor(store, { ...TO_BE_LOOKED_FOR, untilMs: nowMs + QUICK_REST_MS });
    return undefined;
  }
  if (last.instant === undefined && !last.wasSlow) {
    noteFloor(store, { ...TO_BE_LOOKED_FOR, wasSlow: true });
    return undefined;
  }
  const [untilMs, shortUntilMs] = [LONG_REST, SHORT_REST].map((rest) => nowMs + restAfterLook(tookMs, rest));
  const raiseAtMs = nowMs + RAISE_AFTER_MS;
  noteFloor(store, { instant, untilMs: untilMs!, shortUntilMs: shortUntilMs!, raiseAtMs, wasSlow: true });
  return instant;
}

async function raiseFloor(store: Pick<Store, "pool">, leastAgeMs: number, floor: Floor): Promise<void> {
  const { pool } = store;
  raising.add(floor);
  try {
    const { rows } = await pool.query<{ instant: string }>({
      ...RAISE_FLOOR,
      values: [leastAgeMs, floor.instant],
    });
    // One that was looked for meanwhile knows of more.
    if (floors.get(pool) !== floor) return;
    if (rows[0]) floor.instant = rows[0].instant;
    else floors.delete(pool);
  } finally {
    raising.delete(floor);
  }
}

/** A full search has ended. `isCrowded` is its `IS_CROWDED`. */
export function noteFullSearch(store: Pick<Store, "pool">, isCrowded: boolean): void {
  if (isCrowded && !floors.has(store.pool)) noteFloor(store, TO_BE_LOOKED_FOR);
}

/** A search from the floor has found fewer runs than it asked for. */
export function noteShortSearch(store: Pick<Store, "pool">): void {
  const floor = floors.get(store.pool);
  if (floor?.instant === undefined) return;
  floor.untilMs = Math.min(floor.untilMs, floor.shortUntilMs);
}
