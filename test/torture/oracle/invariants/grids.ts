/** Tasks that repeat fire at each of their instants, and at no other that they exclude. */
import type { Evidence, GivenSchedule, Invariant, RunRow } from "../evidence.ts";
import { showInstant } from "../evidence.ts";
import { instantsOf, isExcluded, readCalendars } from "../instants.ts";
import { endsAsked, occurrencesByTask } from "./firing.ts";

interface Reign {
  given: GivenSchedule;
  from: number;
  until: number;
}

/** When each schedule of a task held, for sure: up to the beginning of the transaction that gave it another. */
function reignsOf(schedules: readonly GivenSchedule[], endedAt: number): Reign[] {
  return schedules.map((given, index) => ({
    ...{ given, from: given.at },
    until: Math.min(schedules[index + 1]?.beganAt ?? Infinity, endedAt),
  }));
}

export const everyInstant: Invariant = {
  name: "every-instant",
  holds:
    "Each instant of a repeating task that it does not exclude, until it is cancelled, has a run or is told of by a skipped one.",
  *find(evidence) {
    const byTask = occurrencesByTask(evidence);
    const ended = endsAsked(evidence);
    const calendars = readCalendars(evidence.answers);
    for (const [taskId, schedules] of evidence.schedules) {
      const endedAt = ended.get(taskId);
      if (endedAt === undefined) continue;
      const isTold = toldBy(byTask.get(taskId) ?? []);
      for (const { given, from, until } of reignsOf(schedules, endedAt)) {
        const jitterMs = Number(given.schedule["jitterMs"] ?? 0);
        for (const instant of instantsOf(given, from, until - jitterMs))
          if (isExcluded(given, instant, calendars) === false && !isTold(instant))
            yield `task ${taskId}: nothing tells of ${showInstant(instant)}`;
      }
    }
  },
};

function toldBy(runs: readonly RunRow[]): (instant: number) => boolean {
  const instants = new Set(runs.map(({ scheduledFor }) => Math.round(scheduledFor)));
  const spans = runs.flatMap(({ skipped }) =>
    skipped ? [{ from: Date.parse(skipped.firstAt), to: Date.parse(skipped.lastAt) }] : [],
  );
  return (instant) =>
    instants.has(instant) || spans.some(({ from, to }) => instant >= from - 1 && instant <= to + 1);
}

export const exclusionsHold: Invariant = {
  name: "exclusions-hold",
  holds: "A repeating task fires at no instant that its schedule, or a calendar that this names, excludes.",
  *find(evidence: Evidence) {
    const calendars = readCalendars(evidence.answers);
    for (const [taskId, runs] of occurrencesByTask(evidence)) {
      const reigns = reignsOf(evidence.schedules.get(taskId ?? "") ?? [], Infinity);
      for (const { id, scheduledFor, skipped } of runs) {
        const reign = reigns.find(({ from, until }) => scheduledFor > from && scheduledFor < until);
        if (skipped === null && reign && isExcluded(reign.given, scheduledFor, calendars) === true)
          yield `run ${id} of task ${taskId} is of ${showInstant(scheduledFor)}, which is excluded`;
      }
    }
  },
};
