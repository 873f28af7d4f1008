/**
 * Detects whether nothing happens. While there is nothing to do, jobs that serve runs, or follow their ends, run less
 * often: an idle installation costs hardly anything. One cheap query per second, and bells, show that there is
 * something to do again; then all of them run at once, so that nothing waits longer for them than it would have.
 *
 * lively → quiet, after `QUIET_AFTER_MS` without work → lively, as soon as there is some.
 */
import type { Clock } from "../core/clock.ts";
import type { Listener } from "../core/store/listen.ts";

export const WORK_LOOK_MS = 1_000;
/** What follows the ends of runs has been done by then, however it came about. */
const QUIET_AFTER_MS = 10_000;
/** While it is quiet those jobs look a third as often, and never more often than this. */
const QUIET_FACTOR = 3;
export const QUIET_MS = 10_000;

export interface Quiet {
  /** What a look has found. */
  note(isAnyWork: boolean): void;
  /** Something has happened that no look may have seen. */
  stir(): void;
  isQuiet(): boolean;
  /** How long to rest where a lively loop would rest for `ms`. */
  stretch(ms: number): number;
  /** `act` is called whenever it becomes lively. */
  onLively(act: () => void): void;
}

export function createQuiet(clock: Pick<Clock, "steadyMs">): Quiet {
  let lastWorkMs = clock.steadyMs();
  let isQuiet = false;
  const acts: (() => void)[] = [];

  function note(isAnyWork: boolean): void {
    const nowMs = clock.steadyMs();
    if (isAnyWork) lastWorkMs = nowMs;
    const wasQuiet = isQuiet;
    isQuiet = nowMs - lastWorkMs >= QUIET_AFTER_MS;
    if (wasQuiet && !isQuiet) for (const act of acts) act();
  }

  return {
    note,
    stir: () => note(true),
    isQuiet: () => isQuiet,
    stretch: (ms) => (isQuiet ? Math.max(ms * QUIET_FACTOR, QUIET_MS) : ms),
    onLively: (act) => void acts.push(act),
  };
}

/** Of a run that failed while nothing seemed to go on. A listener that polls calls again and again, whatever has happened. */
export function stirAtFailures(listener: Pick<Listener, "on">, quiet: Quiet): void {
  listener.on("bellhop_failures", ({ resync }) => {
    if (!resync) quiet.stir();
  });
}

/** Where instants come by another clock than the database's, nothing but a look of each job tells what is to be done. */
export const NEVER_QUIET: Quiet = {
  note() {},
  stir() {},
  isQuiet: () => false,
  stretch: (ms) => ms,
  onLively() {},
};
