/** What a schedule fires, before there is a task of it. */
import { toLocalText, toWireInstant } from "../../core/contracts/occurrence.ts";
import { describeSchedule } from "../../core/domain/schedule/describe.ts";
import { jitterOffsetMs } from "../../core/domain/schedule/jitter.ts";
import { firstOccurrence, occurrencesAfter } from "../../core/domain/schedule/occurrences.ts";
import { doesRepeat, type Schedule } from "../../core/domain/schedule/schedule.ts";

/** A task has its own offset by its id; a preview shows one that a task might have. */
const SOME_ID = "00000000-0000-0000-0000-000000000000";

export function previewSchedule(schedule: Schedule, from: Date, count: number) {
  const offsetMs = jitterOffsetMs(schedule, SOME_ID);
  const items = listInstants(schedule, from, count).map((at) => ({
    ...toWireInstant({ nominalAt: at, effectiveAt: new Date(at.getTime() + offsetMs) }),
    local: toLocalText(schedule, at),
  }));
  return { description: describeSchedule(schedule), items };
}

/** As of a task that is made at `from`. */
function listInstants(schedule: Schedule, from: Date, count: number): Date[] {
  if (!doesRepeat(schedule)) return [firstOccurrence(schedule, from)!];
  const most = Math.min(count, schedule.maxRuns ?? count);
  const instants: Date[] = [];
  for (const at of occurrencesAfter(schedule, from, from)) {
    instants.push(at);
    if (instants.length === most) break;
  }
  return instants;
}
