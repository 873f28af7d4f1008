/**
 * Whether nothing goes on. While no run is open, jobs that do something for open runs alone look less often: an installation
 * that sleeps costs hardly anything. What is open is looked at every second, so a run that waits for them finds them as soon
 * as it would have. What is done after the ends of runs looks as often as ever: a run that is over at once is seen by nobody.
 *
 * lively → quiet, once no run has been open for `QUIET_AFTER_MS` → lively, as soon as one is seen.
 */
import type { Clock } from "../core/clock.ts";

export const OPEN_LOOK_MS = 1_000;
/** Jobs that do something for runs after their ends have done it by then. */
const QUIET_AFTER_MS = 10_000;
/** How often those jobs look while it is quiet, at the least. */
export const QUIET_MS = 5_000;

export interface Quiet {
  /** What a look has found. */
  note(isAnyOpen: boolean): void;
  isQuiet(): boolean;
  /** `act` is called whenever it becomes lively. */
  onLively(act: () => void): void;
}

export function createQuiet(clock: Pick<Clock, "steadyMs">): Quiet {
  let lastOpenMs = clock.steadyMs();
  let isQuiet = false;
  const acts: (() => void)[] = [];
  return {
    note(isAnyOpen) {
      const nowMs = clock.steadyMs();
      if (isAnyOpen) lastOpenMs = nowMs;
      const wasQuiet = isQuiet;
      isQuiet = nowMs - lastOpenMs >= QUIET_AFTER_MS;
      if (wasQuiet && !isQuiet) for (const act of acts) act();
    },
    isQuiet: () => isQuiet,
    onLively: (act) => void acts.push(act),
  };
}
