/** The instants of a schedule. Pure: everything takes the instants it needs. */
import { nextCron } from "./cron.ts";
import type { Schedule } from "./schedule.ts";

/** The first instant of a schedule whose grid starts at `anchor`; null: never. */
export function firstOccurrence(schedule: Schedule, anchor: Date): Date | null {
  switch (schedule.kind) {
    case "now":
      return anchor;
    case "once":
      return new Date(schedule.at);
    case "delay":
      return new Date(anchor.getTime() + schedule.delayMs);
    case "every":
    case "cron":
      return nextOccurrence(schedule, anchor, anchor);
  }
}

/** The first instant strictly after `after`, for schedules that repeat; null for those that fire once. */
export function nextOccurrence(schedule: Schedule, anchor: Date, after: Date): Date | null {
  if (schedule.kind === "every") {
    const steps = Math.floor((after.getTime() - anchor.getTime()) / schedule.everyMs) + 1;
    return new Date(anchor.getTime() + Math.max(steps, 1) * schedule.everyMs);
  }
  if (schedule.kind === "cron") return nextCron(schedule.expression, schedule.timezone, after);
  return null;
}

/**
 * The cursor after the occurrence `fired` was staged at `now`: instants that passed meanwhile (every scheduler was
 * down) are merged into the one that fires late, so an outage is followed by one run and not by a storm.
 */
export function advanceCursor(schedule: Schedule, anchor: Date, fired: Date, now: Date): Date | null {
  return nextOccurrence(schedule, anchor, fired > now ? fired : now);
}

/** Whether later instants had passed too when `fired` was staged at `now`: those never fire. */
export function hasPassedOver(schedule: Schedule, anchor: Date, fired: Date, now: Date): boolean {
  if (fired >= now) return false;
  const next = nextOccurrence(schedule, anchor, fired);
  return next !== null && next <= now;
}
