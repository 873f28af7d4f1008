/** What a schedule fires, before there is a task of it. */
import { toLocalText, toWireInstant } from "../../core/contracts/occurrence.ts";
import { describeSchedule } from "../../core/domain/schedule/describe.ts";
import type { CalendarDates } from "../../core/domain/schedule/exclusions.ts";
import { jitterOffsetMs } from "../../core/domain/schedule/jitter.ts";
import { InstantNotFoundError } from "../../core/domain/schedule/local-times.ts";
import { firstOccurrence, occurrencesAfter } from "../../core/domain/schedule/occurrences.ts";
import { doesRepeat, ONCE_GRACE_MS, type Schedule } from "../../core/domain/schedule/schedule.ts";
import { MAX_SEARCH_MS, SearchTurns } from "../../core/search-turns.ts";

/** A task has its own offset by its id; a preview shows one that a task might have. */
const SOME_ID = "00000000-0000-0000-0000-000000000000";

/** @param dates of the calendar that it names */
export async function previewSchedule(
  schedule: Schedule,
  from: Date,
  count: number,
  dates?: CalendarDates,
  turns = new SearchTurns(MAX_SEARCH_MS),
) {
  const offsetMs = jitterOffsetMs(schedule, SOME_ID);
  const { instants, isCut } = await listInstants(schedule, from, count, dates, turns);
  const items = instants.map((at) => ({
    ...toWireInstant({ nominalAt: at, effectiveAt: new Date(at.getTime() + offsetMs) }),
    local: toLocalText(schedule, at),
  }));
  return { description: describeSchedule(schedule), items, ...(isCut && { truncated: true as const }) };
}

/** As of a task that is made at `from`. Cut: there may be more, and the search for them would take long. */
async function listInstants(
  schedule: Schedule,
  from: Date,
  count: number,
  dates: CalendarDates | undefined,
  turns: SearchTurns,
): Promise<{ instants: Date[]; isCut: boolean }> {
  if (!doesRepeat(schedule)) {
    const at = firstOccurrence(schedule, from)!;
    return { instants: at.getTime() < from.getTime() - ONCE_GRACE_MS ? [] : [at], isCut: false };
  }
  const most = Math.min(count, schedule.maxRuns ?? count);
  const instants: Date[] = [];
  try {
    for (const at of occurrencesAfter(schedule, from, from, dates)) {
      instants.push(at);
      if (instants.length === most) break;
      if (turns.isTurnOver) await turns.giveWay();
      if (turns.isSpent) return { instants, isCut: true };
    }
  } catch (error) {
    // What lies beyond cannot be found.
    if (!(error instanceof InstantNotFoundError)) throw error;
  }
  return { instants, isCut: false };
}
