/**
 * The database's time, which decides what is due: the machine's own clock may be wrong, or leap. It is looked at every
 * other second; between two looks time goes on as it does for the process.
 */
import { type Clock, systemClock } from "./clock.ts";
import { createLoopRest } from "./loop-rest.ts";
import { askServer } from "./store/contact.ts";
import type { Store } from "./store/database.ts";

const LOOK_MS = 2_000;

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
  /** Does the first look, until it is answered. */
  until(look: () => Promise<void>): Promise<void>;
  /** Its timers, and its steady time. */
  clock?: Clock;
}

/** Ends with `opened`. */
export async function openDatabaseClock(
  opened: AsyncDisposableStack,
  { store, until, clock = systemClock }: DatabaseClockOptions,
): Promise<Clock> {
  let offsetMs: number | undefined;
  const loop = createLoopRest(clock);

  async function look(): Promise<void> {
    const askedMs = clock.steadyMs();
    const { at } = await askServer(store.db);
    offsetMs = alignOffset(offsetMs, { atMs: at.getTime(), askedMs, heardMs: clock.steadyMs() });
  }

  async function run(): Promise<void> {
    for (;;) {
      await loop.rest(LOOK_MS);
      if (loop.stopped.aborted) return;
      // While the database is away time goes on; whoever needs it says so.
      await look().catch(() => {});
    }
  }

  await until(look);
  void run();
  opened.defer(() => loop.stop());
  return { ...clock, now: () => new Date(offsetMs! + clock.steadyMs()) };
}
