/** What a schedule that comes in may not say. What was stored lies in the past some day, and stays. */
import { findCronFault } from "../domain/schedule/cron.ts";
import { InstantNotFoundError } from "../domain/schedule/local-times.ts";
import { firstOccurrence } from "../domain/schedule/occurrences.ts";
import { RruleSyntaxError, readRruleText } from "../domain/schedule/rrule-text.ts";
import {
  doesRepeat,
  ONCE_GRACE_MS,
  type RepeatingSchedule,
  type Schedule,
} from "../domain/schedule/schedule.ts";

export interface Fault {
  path: string[];
  message: string;
}

export function findScheduleFault(schedule: Schedule, now: Date): Fault | undefined {
  if (schedule.kind === "once" && Date.parse(schedule.at) < now.getTime() - ONCE_GRACE_MS)
    return { path: ["at"], message: "lies in the past" };
  if (!doesRepeat(schedule)) return undefined;
  return (
    findRuleFault(schedule, now) ??
    findExclusionFault(schedule, now) ??
    findSpanFault(schedule) ??
    findNever(schedule, now)
  );
}

function findRuleFault(schedule: RepeatingSchedule, now: Date): Fault | undefined {
  if (schedule.kind === "cron") {
    const { expression } = schedule;
    for (const [index, each] of [expression].flat().entries()) {
      const message = findCronFault(each, now);
      if (message) return { path: Array.isArray(expression) ? ["cron", `${index}`] : ["cron"], message };
    }
  }
  if (schedule.kind !== "rrule") return undefined;
  try {
    readRruleText(schedule.rule);
    return undefined;
  } catch (error) {
    if (error instanceof RruleSyntaxError) return { path: ["rrule"], message: error.message };
    throw error;
  }
}

function findExclusionFault({ exclude }: RepeatingSchedule, now: Date): Fault | undefined {
  const message = exclude?.cron === undefined ? undefined : findCronFault(exclude.cron, now);
  return message === undefined ? undefined : { path: ["exclude", "cron"], message };
}

function findSpanFault({ startAt, endAt }: RepeatingSchedule): Fault | undefined {
  const isReversed = startAt !== undefined && endAt !== undefined && Date.parse(endAt) < Date.parse(startAt);
  return isReversed ? { path: ["endAt"], message: "lies before startAt" } : undefined;
}

/** Without the calendar, which the namespace may change. */
function findNever(schedule: RepeatingSchedule, now: Date): Fault | undefined {
  const { exclude, endAt } = schedule;
  const where = exclude ? ["exclude"] : endAt === undefined ? [] : ["endAt"];
  const path = where.length > 0 ? where : [schedule.kind === "rrule" ? "rrule" : schedule.kind];
  try {
    const first = firstOccurrence(schedule, now);
    return first
      ? undefined
      : { path, message: `this schedule never fires${endAt ? " before its end" : ""}` };
  } catch (error) {
    if (error instanceof InstantNotFoundError)
      return { path, message: `this schedule does not fire for a long time: ${error.message}` };
    throw error;
  }
}
