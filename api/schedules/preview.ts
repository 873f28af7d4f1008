/** What a schedule fires, before there is a task of it. */
import { toLocalText, toWireInstant } from "../../core/contracts/occurrence.ts";
import { describeSchedule } from "../../core/domain/schedule/describe.ts";
import type { CalendarDates } from "../../core/domain/schedule/exclusions.ts";
import { jitterOffsetMs } from "../../core/domain/schedule/jitter.ts";
import { InstantNotFoundError } from "../../core/domain/schedule/local-times.ts";
import { firstOccurrence, occurrencesAfter } from "../../core/domain/schedule/occurrences.ts";
import { doesRepeat, ONCE_GRACE_MS, type Schedule } from "../../core/domain/schedule/schedule.ts";

/** A task has its own offset by its id; a preview shows one that a task might have. */
const SOME_ID = "00000000-0000-0000-0000-000000000000";

/** @param dates of the calendar that it names */
export function previewSchedule(schedule: Schedule, from: Date, count: number, dates?: CalendarDates) {
  const offsetMs = jitterOffsetMs(schedule, SOME_ID);
  const items = listInstants(schedule, from, count, dates).map((at) => ({
    ...toWireInstant({ nominalAt: at, effectiveAt: new Date(at.getTime() + offsetMs) }),
    local: toLocalText(schedule, at),
  }));
  return { description: describeSchedule(schedule), items };
}

/** As of a task that is made at `from`. */
function listInstants(
  schedule: Schedule,
  from: Date,
  count: number,
  dates: CalendarDates | undefined,
): Date[] {
  if (!doesRepeat(schedule)) {
    const at = firstOccurrence(schedule, from)!;
    return at.getTime() < from.getTime() - ONCE_GRACE_MS ? [] : [at];
  }
  const most = Math.min(count, schedule.maxRuns ?? count);
  const instants: Date[] = [];
  try {
    for (const at of occurrencesAfter(schedule, from, from, dates)) {
      instants.push(at);
      if (instants.length === most) break;
    }
  } catch (error) {
    // What lies beyond cannot be found.
    if (!(error instanceof InstantNotFoundError)) throw error;
  }
  return instants;
}
