/**
 * The database's time, which decides what is due: the machine's own clock may be wrong, or leap. It is looked at every few
 * seconds, sooner where it has just moved; between two looks time goes on as it does for the process.
 */
import { type Clock, systemClock } from "./clock.ts";
import { askServer, type ServerWord } from "./store/contact.ts";
import type { Store } from "./store/database.ts";

/**
 * After a look that moved what was known by more than the clocks of two machines drift apart, and after any other: a little
 * more than passes between two words that a role at rest hears anyway, with its lease or its look at the workers.
 */
const LOOK_MS = { moved: 2_000, steady: 6_000 };
const DRIFT_MS = 1;

/** The database's word, and when it was asked for and heard by a clock that makes no leap. */
export interface DatabaseLook {
  atMs: number;
  askedMs: number;
  heardMs: number;
}

/**
 * How far the database's time is ahead of the steady clock: as was known, where the look allows that, else as near to it as
 * the look allows. So an answer that took long moves nothing that is known better. Pure.
 */
export function alignOffset(knownMs: number | undefined, { atMs, askedMs, heardMs }: DatabaseLook): number {
  const [leastMs, mostMs] = [atMs - heardMs, atMs - askedMs];
  if (knownMs === undefined) return (leastMs + mostMs) / 2;
  return Math.min(Math.max(knownMs, leastMs), mostMs);
}

export interface DatabaseClockOptions {
  store: Store;
  /** What was heard before; without it the first look comes at once. */
  known?: DatabaseLook | undefined;
  /** Does that look, until it is answered. */
  until(look: () => Promise<void>): Promise<void>;
  /** Its timers, and its steady time. */
  clock?: Clock;
}

export interface DatabaseClock extends Clock {
  /** The database's word, of whoever asked for it, at an instant of the steady time: the next look comes that much later. */
  hear(word: Pick<ServerWord, "at">, askedMs: number): void;
}

/** Ends with `opened`. */
export async function openDatabaseClock(
  opened: AsyncDisposableStack,
  { store, known, until, clock = systemClock }: DatabaseClockOptions,
): Promise<DatabaseClock> {
  let offsetMs: number | undefined;
  let stopWaiting = () => {};
  let isClosed = false;

  function hear({ at }: Pick<ServerWord, "at">, askedMs: number): void {
    const knownMs = offsetMs;
    offsetMs = alignOffset(knownMs, { atMs: at.getTime(), askedMs, heardMs: clock.steadyMs() });
    const isSteady = knownMs !== undefined && Math.abs(offsetMs - knownMs) <= DRIFT_MS;
    lookIn(isSteady ? LOOK_MS.steady : LOOK_MS.moved);
  }

  async function look(): Promise<void> {
    const askedMs = clock.steadyMs();
    hear(await askServer(store.db), askedMs);
  }

  function lookIn(ms: number): void {
    stopWaiting();
    // While the database is away time goes on; whoever needs it says so.
    if (!isClosed) stopWaiting = clock.after(ms, () => void look().catch(() => lookIn(LOOK_MS.moved)));
  }

  // Before the first look, which sets a timer: a start may be stopped after it.
  opened.defer(() => {
    isClosed = true;
    stopWaiting();
  });
  if (known) {
    offsetMs = alignOffset(undefined, known);
    lookIn(LOOK_MS.moved);
  } else await until(look);
  return { ...clock, now: () => new Date(offsetMs! + clock.steadyMs()), hear };
}
