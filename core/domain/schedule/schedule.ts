/** When a task fires, as it is stored. What is left out has its default; instants are ISO 8601, UTC. */
import type { ClockChanges } from "./local-times.ts";

/** What every schedule that repeats may say besides. */
export interface Repetition {
  /** No instant before it fires. An `every` without an anchor is counted from it. */
  startAt?: string;
  /** No instant after it fires. */
  endAt?: string;
  /** So many scheduled runs; those that were skipped do not count. */
  maxRuns?: number;
  exclude?: Exclusions;
  /** The task fires at an offset of its own, less than this (jitter.ts). */
  jitterMs?: number;
}

/** What does not fire, by the clocks of the schedule's zone. Any one is enough. */
export interface Exclusions {
  /** Days: `2026-12-25`. */
  dates?: string[];
  /** Times: with five fields whole minutes. */
  cron?: string;
  /** The days of a calendar of the namespace. */
  calendar?: string;
}

export type EverySchedule = Repetition & {
  kind: "every";
  everyMs: number;
  /** Its grid goes through this instant and begins with it. Left out: begins one interval after it was made. */
  anchor?: string;
  /** For exclusions; left out, UTC. */
  timezone?: string;
};

export type CronSchedule = Repetition &
  Partial<ClockChanges> & {
    kind: "cron";
    /** Of several, whatever one of them names. */
    expression: string | string[];
    timezone: string;
  };

export type RruleSchedule = Repetition &
  Partial<ClockChanges> & {
    kind: "rrule";
    /** Lines of iCalendar: a RRULE, maybe EXDATE and RDATE. */
    rule: string;
    timezone: string;
    /** DTSTART; left out, when it was made. */
    anchor?: string;
  };

export type RepeatingSchedule = EverySchedule | CronSchedule | RruleSchedule;

export type Schedule =
  /** At once, when the task is made. */
  | { kind: "now" }
  /** `local` is how its author wrote it, in a zone. */
  | { kind: "once"; at: string; local?: { at: string; timezone: string } }
  | { kind: "delay"; delayMs: number }
  | RepeatingSchedule;

/** How late a `once` may be when it arrives: clocks differ a little. */
export const ONCE_GRACE_MS = 5_000;
/** RFC 3339 has years of four digits: nothing fires later, with its jitter and by the clocks of any zone. */
export const LATEST_MS = Date.UTC(9999, 0, 1) - 1;
export const MIN_EVERY_MS = 1_000;

export const doesRepeat = (schedule: Schedule): schedule is RepeatingSchedule =>
  schedule.kind === "every" || schedule.kind === "cron" || schedule.kind === "rrule";

/** The zone whose clocks a schedule goes by. */
export const zoneOf = (schedule: RepeatingSchedule): string => schedule.timezone ?? "UTC";
