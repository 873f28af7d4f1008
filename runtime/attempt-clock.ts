/**
 * The time of one attempt. It runs from the start; `hold` stops it while the run waits for room in its worker, and
 * `begin` restarts it from zero: the author limits how long an attempt may take, not how long a worker is busy. The
 * run's own deadline is never stopped.
 */
import type { Clock } from "../core/clock.ts";

export interface AttemptClock {
  /** When the attempt is over; while it is held, when it would be if it began now. */
  readonly deadlineAt: Date;
  /** Once; what is held is over as `no_room` after `roomWaitMs`. */
  hold(): void;
  begin(): void;
  end(): void;
}

/**
 * How long a run waits in its worker, for a place in the sandbox say, until its attempt is given up: as long as its own
 * timeout, because the runs before it may take as long, and at least 30 s.
 */
export const roomWaitMs = (timeoutMs: number) => Math.max(timeoutMs, 30_000);

export interface AttemptTimes {
  /** What the attempt may take. */
  timeoutMs: number;
  /** Until the run's deadline; null: it has none. */
  leftMs: number | null;
}

export function startAttemptClock(
  clock: Clock,
  { timeoutMs, leftMs }: AttemptTimes,
  onOver: (what: "timeout" | "no_room") => void,
): AttemptClock {
  const endsMs = leftMs === null ? Infinity : clock.steadyMs() + leftMs;
  const timeLeftMs = () => Math.min(timeoutMs, endsMs - clock.steadyMs());
  let isHeld = false;
  let isOver = false;
  /** When it is over as things stand, and as what. */
  let [overAtMs, overAs] = [0, "timeout" as "timeout" | "no_room"];
  let ringsAtMs = Infinity;
  let forget = () => {};

  /** A timer that rings too early stays: it looks again, and most attempts have ended by then. */
  function setEnd(inMs: number, as: typeof overAs): void {
    [overAtMs, overAs] = [clock.steadyMs() + inMs, as];
    if (ringsAtMs <= overAtMs) return;
    forget();
    arm(inMs);
  }

  function arm(inMs: number): void {
    ringsAtMs = clock.steadyMs() + inMs;
    forget = clock.after(inMs, look);
  }

  function look(): void {
    ringsAtMs = Infinity;
    const restMs = overAtMs - clock.steadyMs();
    if (restMs > 0) arm(restMs);
    else onOver(overAs);
  }

  setEnd(timeLeftMs(), "timeout");
  return {
    get deadlineAt() {
      const ms = isHeld ? timeLeftMs() : overAtMs - clock.steadyMs();
      return new Date(clock.now().getTime() + ms);
    },
    hold() {
      isHeld = true;
      const endMs = endsMs - clock.steadyMs();
      const waitMs = roomWaitMs(timeoutMs);
      if (endMs < waitMs) setEnd(endMs, "timeout");
      else setEnd(waitMs, "no_room");
    },
    begin() {
      // A run that was left behind may still get its place.
      if (isOver) return;
      isHeld = false;
      setEnd(timeLeftMs(), "timeout");
    },
    end() {
      isOver = true;
      forget();
    },
  };
}
