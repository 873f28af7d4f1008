/**
 * From local times to instants: what a clock that jumps or goes back does to a schedule. The search walks over the
 * stretches of a zone (zone.ts), and over those that hold something only: a local time far away costs no more than a near one.
 */
import { DAY_MS } from "./civil.ts";
import { type Stretch, stretchAt } from "./zone.ts";

/** A set of local times, such as those that a cron expression names. */
export interface LocalTimes {
  /** The first at or after the local time `fromMs`; null: there is none. */
  next(fromMs: number): number | null;
}

export const GAPS = ["shift", "skip"] as const;
export const REPEATS = ["first", "both"] as const;

export interface ClockChanges {
  /** A time that the clock jumps over: `shift`, it fires as much later as the clock jumps; `skip`, not that day. */
  gap: (typeof GAPS)[number];
  /** A time that comes twice: the `first` fires, or `both`. */
  repeat: (typeof REPEATS)[number];
}

export const DEFAULT_CLOCK_CHANGES: ClockChanges = { gap: "shift", repeat: "first" };

/** Every real instant at which the clock shows one of the times: nothing shifts, nothing is left out. */
export const EVERY_INSTANT: ClockChanges = { gap: "skip", repeat: "both" };

/** The instant could not be found within the bounds of the search: that does not say that there is none. */
export class InstantNotFoundError extends Error {}

/** Each is a stretch looked at; a year has five at most, and a search seldom needs three. */
const MAX_STEPS = 500;
/** No zone is further from UTC. */
export const MAX_OFFSET_MS = DAY_MS;

/** The first instant after `afterMs` at which the local times fire; null: there is none. */
export function nextInstant(
  times: LocalTimes,
  zone: string,
  changes: ClockChanges,
  afterMs: number,
): number | null {
  let fromMs = afterMs + 1;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const nearMs = times.next(fromMs - MAX_OFFSET_MS);
    if (nearMs === null) return null;
    fromMs = Math.max(fromMs, nearMs - MAX_OFFSET_MS);
    const stretch = stretchAt(zone, fromMs);
    const foundMs = firstWithin(times, stretch, changes, fromMs);
    if (foundMs !== undefined) return foundMs;
    fromMs = stretch.endMs;
  }
  throw new InstantNotFoundError(`no instant within ${MAX_STEPS} steps`);
}

/** The first instant of the stretch at or after `fromMs`, which lies in it. */
function firstWithin(
  times: LocalTimes,
  { startMs, endMs, offsetMs, offsetBeforeMs }: Stretch,
  { gap, repeat }: ClockChanges,
  fromMs: number,
): number | undefined {
  // Where the clock went back, local times before this one have been there already.
  const newFromMs = repeat === "first" ? startMs + offsetBeforeMs : -Infinity;
  const shownMs = times.next(Math.max(fromMs + offsetMs, newFromMs));
  const shown = shownMs !== null && shownMs - offsetMs < endMs ? shownMs - offsetMs : undefined;
  if (gap === "skip" || offsetMs <= offsetBeforeMs) return shown;
  // The clock jumped: those that it jumped over come as they would have by the clock before.
  const jumpedMs = times.next(fromMs + offsetBeforeMs);
  if (jumpedMs === null || jumpedMs >= startMs + offsetMs) return shown;
  return Math.min(jumpedMs - offsetBeforeMs, shown ?? Infinity);
}

/** The instant of a local time: one that is left out comes as much later as the clock jumps, of two it is the first. */
export function toInstant(localMs: number, zone: string): number {
  const times: LocalTimes = { next: (fromMs) => (fromMs <= localMs ? localMs : null) };
  return nextInstant(times, zone, DEFAULT_CLOCK_CHANGES, localMs - 3 * DAY_MS)!;
}
