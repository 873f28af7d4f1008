import type { CalendarDates } from "../../domain/schedule/exclusions.ts";
import { InstantNotFoundError } from "../../domain/schedule/local-times.ts";
import { firstOccurrence } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { invalidField } from "../../errors.ts";

/**
 * The first instant of a schedule that begins at `now`. Without a calendar it has been looked for before
 * (`findScheduleFault`); 422 where the calendar's dates leave none.
 */
export function findFirst(schedule: Schedule, now: Date, dates: CalendarDates | undefined): Date | null {
  if (!dates) return firstOccurrence(schedule, now);
  try {
    const first = firstOccurrence(schedule, now, dates);
    if (first) return first;
  } catch (error) {
    if (!(error instanceof InstantNotFoundError)) throw error;
  }
  throw invalidField("schedule.exclude", "the calendar leaves this schedule no instant");
}
