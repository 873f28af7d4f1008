/**
 * What a task expects of its occurrences: by when a run must have succeeded, and that it ends before the next instant.
 * Pure.
 */
import { DAY_MS } from "./schedule/civil.ts";
import { DEFAULT_CLOCK_CHANGES, type LocalTimes, nextInstant } from "./schedule/local-times.ts";
import { doesRepeat, type Schedule } from "./schedule/schedule.ts";
import { isTimezone } from "./schedule/zone.ts";

/** Within so long of the nominal instant; or by the next such time of day (`08:00`) after it. */
export type Expectation = { withinMs: number } | { by: string };

export const TIME_OF_DAY = /^(?:[01]\d|2[0-3]):[0-5]\d$/;

/**
 * By when an occurrence must have succeeded. A time of day is one of the schedule's zone: one that the clock jumps over
 * comes as much later, of one that comes twice the first holds. A zone that is not known any more counts as UTC: what is
 * expected is told of all the same.
 */
export function dueOf(expectation: Expectation, schedule: Schedule, scheduledFor: Date): Date {
  if ("withinMs" in expectation) return new Date(scheduledFor.getTime() + expectation.withinMs);
  const zone = zoneOfExpectation(schedule);
  const times = daily(expectation.by);
  return new Date(
    nextInstant(times, isTimezone(zone) ? zone : "UTC", DEFAULT_CLOCK_CHANGES, scheduledFor.getTime())!,
  );
}

function zoneOfExpectation(schedule: Schedule): string {
  if (schedule.kind === "once") return schedule.local?.timezone ?? "UTC";
  return (doesRepeat(schedule) && schedule.timezone) || "UTC";
}

function daily(by: string): LocalTimes {
  const [hours, minutes] = by.split(":").map(Number);
  const ofDayMs = (hours! * 60 + minutes!) * 60_000;
  return { next: (fromMs) => Math.ceil((fromMs - ofDayMs) / DAY_MS) * DAY_MS + ofDayMs };
}

/** A run as it stands when it is looked at. */
export interface WatchedRun {
  state: "open" | "succeeded" | "failed" | "skipped" | "stopped";
  /** Null while it is open. A dead letter has ended. */
  endedAt: Date | null;
}

export interface Watch {
  /** By when it must have succeeded; null: that has been judged. */
  dueAt: Date | null;
  /** The instant of its schedule that it must not outlast; null: there is none, or it has been judged. */
  nextAt: Date | null;
}

export interface WatchVerdict {
  isMissed: boolean;
  /** `kept`: it ran, and ended in time; null: nothing is to be said of its cadence. */
  cadence: "overran" | "kept" | null;
  /** What is left to be judged later. */
  left: Watch;
}

/** Judges what can be judged by now. A dead letter may still be redriven and succeed in time: it is judged when it is due. */
export function judgeWatch({ dueAt, nextAt }: Watch, run: WatchedRun, now: Date): WatchVerdict {
  const { state, endedAt } = run;
  const isMet = dueAt !== null && state === "succeeded" && endedAt! <= dueAt;
  const isMissed = dueAt !== null && !isMet && dueAt <= now;
  const cadence = nextAt === null ? null : judgeCadence(nextAt, run, now);
  const hasCadence = nextAt !== null && endedAt === null && nextAt > now;
  return {
    isMissed,
    cadence,
    left: { dueAt: isMet || isMissed ? null : dueAt, nextAt: hasCadence ? nextAt : null },
  };
}

/** One that was skipped or stopped says nothing of how long runs take. */
function judgeCadence(nextAt: Date, { state, endedAt }: WatchedRun, now: Date): WatchVerdict["cadence"] {
  if ((endedAt ?? now) > nextAt || (endedAt === null && now >= nextAt)) return "overran";
  return state === "succeeded" || state === "failed" ? "kept" : null;
}

/** When a watch is looked at next; null: never again. */
export function lookAtOf({ dueAt, nextAt }: Watch): Date | null {
  if (dueAt === null || nextAt === null) return dueAt ?? nextAt;
  return dueAt < nextAt ? dueAt : nextAt;
}

/** A run whose cadence was judged. */
export interface JudgedCadence {
  taskId: string;
  runId: string;
  nextAt: Date;
  cadence: "overran" | "kept";
}

/**
 * Of the overruns of a task in a row the first is told, and again once a run has kept its cadence: a task that always
 * overruns is told of once.
 * @param overrunning tasks whose last run that was judged overran
 */
export function chooseToldOverruns(
  judged: readonly JudgedCadence[],
  overrunning: ReadonlySet<string>,
): { told: Set<string>; overrunning: Set<string> } {
  const told = new Set<string>();
  const left = new Set(overrunning);
  for (const { taskId, runId, cadence } of judged.toSorted(
    (a, b) => a.nextAt.getTime() - b.nextAt.getTime(),
  )) {
    if (cadence === "kept") left.delete(taskId);
    else if (!left.has(taskId)) {
      told.add(runId);
      left.add(taskId);
    }
  }
  return { told, overrunning: left };
}

/** How long a run has waited, and run: up to now where it still does. Null: it has not begun. */
export function timesOf(
  { scheduledFor, startedAt, endedAt }: { scheduledFor: Date; startedAt: Date | null; endedAt: Date | null },
  now: Date,
): { waitMs: number; runMs: number | null } {
  const untilMs = (endedAt ?? now).getTime();
  const waitedToMs = startedAt?.getTime() ?? untilMs;
  return {
    waitMs: Math.max(waitedToMs - scheduledFor.getTime(), 0),
    runMs: startedAt && Math.max(untilMs - startedAt.getTime(), 0),
  };
}
