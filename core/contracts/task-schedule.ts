/**
 * When a task fires, on the wire: exactly one of `at`, `delay`, `cron`, `every`, `rrule`, and what goes with it; left out,
 * it fires at once. A text by itself stands for the schedule that it can only mean.
 */
import { z } from "zod";
import { readWords, translateForeign } from "../domain/schedule/cron-dialects.ts";
import type { RepeatingSchedule, Repetition, Schedule } from "../domain/schedule/schedule.ts";
import { formatDuration, parseDuration } from "../duration.ts";
import type { Json } from "../json.ts";
import { refuse } from "./common.ts";
import { findScheduleFault } from "./schedule-fault.ts";
import {
  isLocalTime,
  isStoredTime,
  KINDS,
  requireTimezone,
  resolveTime,
  ScheduleFault,
  TAKEN_BY,
  type WireKind,
  type WireSchedule,
  wireSchedule,
} from "./schedule-fields.ts";

const FORMS =
  'must be {"at": "2026-12-01T09:00:00Z"}, {"delay": "10m"}, {"every": "1h"}, {"cron": "*/5 * * * *", "timezone": "Europe/Rome"} or {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"}; by itself may stand a cron expression, a rule, an instant, or "every 1h"';

const text = z.string().max(256);

const codec = z.codec(z.union([text, wireSchedule], FORMS), z.custom<Schedule>(), {
  decode(given, context): Schedule {
    const fields = typeof given === "string" ? readText(given, context) : given;
    if (!fields) return z.NEVER as never;
    try {
      return toSchedule(translateCron(fields));
    } catch (error) {
      if (error instanceof ScheduleFault) return refuse(context, error.message, error.path);
      throw error;
    }
  },
  encode: toWire,
});

/** Undefined where it is refused. */
function readText(given: string, context: z.core.ParsePayload): WireSchedule | undefined {
  const read = wireSchedule.safeParse(expandText(given) ?? null);
  if (read.success) return read.data;
  if (read.error.issues.some(({ path }) => path.length === 0)) return void refuse(context, FORMS);
  for (const { message, path } of read.error.issues) refuse(context, message, path.map(String));
  return undefined;
}

/** Expressions of other systems become ours, or an interval, where they can mean one thing only. */
function translateCron(given: WireSchedule): WireSchedule {
  const { cron, exclude, ...others } = given;
  const excluded = exclude?.cron === undefined ? exclude : { ...exclude, cron: toOwnCron(exclude.cron) };
  const rest = { ...others, ...(excluded && { exclude: excluded }) };
  if (cron === undefined) return rest;
  if (Array.isArray(cron)) return { ...rest, cron: cron.map(toOwnCron) };
  const translated = translateForeign(cron.trim());
  if (!translated || "cron" in translated) return { ...rest, cron: translated?.cron ?? cron };
  if (others.every !== undefined) return { ...given };
  const every = wireSchedule.shape.every.safeParse(translated.every);
  if (!every.success) throw new ScheduleFault(every.error.issues[0]!.message, "cron");
  return { ...rest, every: every.data };
}

function toOwnCron(expression: string): string {
  const translated = translateForeign(expression.trim());
  return translated && "cron" in translated ? translated.cron : expression;
}

function toSchedule(given: WireSchedule): Schedule {
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  if (kinds.length !== 1) throw new ScheduleFault(`holds exactly one of ${KINDS.join(", ")}`);
  refuseMisplaced(kinds[0]!, given);
  const { at, delay, cron, every, rrule, timezone } = given;
  if (timezone !== undefined) requireTimezone(timezone);
  if (at !== undefined) return toOnce(at, timezone);
  if (delay !== undefined) return { kind: "delay", delayMs: delay };
  const anchor = given.anchor === undefined ? {} : { anchor: resolveTime("anchor", given.anchor, timezone) };
  const repetition = toRepetition(given);
  if (every !== undefined)
    return { kind: "every", everyMs: every, ...anchor, ...(timezone && { timezone }), ...repetition };
  const changes = { ...(given.gap && { gap: given.gap }), ...(given.repeat && { repeat: given.repeat }) };
  const zoned = { timezone: timezone ?? "UTC", ...changes, ...repetition };
  if (rrule !== undefined) return { kind: "rrule", rule: rrule.trim(), ...anchor, ...zoned };
  const expression = Array.isArray(cron) ? cron.map((each) => each.trim()) : cron!.trim();
  return { kind: "cron", expression, ...zoned };
}

const takenBy = Object.entries(TAKEN_BY);

function refuseMisplaced(kind: WireKind, given: WireSchedule): void {
  for (const [field, kinds] of takenBy) {
    if (given[field as keyof typeof TAKEN_BY] === undefined || (kinds as WireKind[]).includes(kind)) continue;
    const article = field === "timezone" ? "a " : "";
    throw new ScheduleFault(`only ${kinds.join(", ")} take ${article}${field}`, field);
  }
}

function toOnce(at: string, timezone: string | undefined): Schedule {
  const instant = resolveTime("at", at, timezone);
  if (timezone === undefined) return { kind: "once", at: instant };
  if (isLocalTime(at)) return { kind: "once", at: instant, local: { at, timezone } };
  throw new ScheduleFault("only a local time takes a timezone; this one has its offset", "timezone");
}

function toRepetition({ startAt, endAt, maxRuns, exclude, jitter, timezone }: WireSchedule): Repetition {
  if (exclude && Object.values(exclude).every((each) => each === undefined))
    throw new ScheduleFault("holds dates, a cron or a calendar", "exclude");
  return {
    ...(startAt !== undefined && { startAt: resolveTime("startAt", startAt, timezone) }),
    ...(endAt !== undefined && { endAt: resolveTime("endAt", endAt, timezone) }),
    ...(maxRuns !== undefined && { maxRuns }),
    ...(jitter !== undefined && { jitterMs: jitter }),
    ...(exclude && { exclude: exclude as NonNullable<Repetition["exclude"]> }),
  };
}

function toWire(schedule: Schedule): WireSchedule {
  if (schedule.kind === "now") return {};
  if (schedule.kind === "delay") return { delay: schedule.delayMs };
  if (schedule.kind === "once") return schedule.local ?? { at: schedule.at };
  const { jitterMs, ...rule } = schedule;
  return { ...toWireRule(rule), ...(jitterMs === undefined ? {} : { jitter: jitterMs }) };
}

function toWireRule(schedule: RepeatingSchedule): WireSchedule {
  if (schedule.kind === "every") {
    const { kind: _kind, everyMs, ...fields } = schedule;
    return { every: everyMs, ...fields };
  }
  if (schedule.kind === "cron") {
    const { kind: _kind, expression, ...fields } = schedule;
    return { cron: expression, ...fields };
  }
  const { kind: _kind, rule, ...fields } = schedule;
  return { rrule: rule, ...fields };
}

/** The schedule that a text can only mean; undefined where it has no meaning, or several. */
function expandText(given: string): { [Kind in WireKind]?: string } | undefined {
  const trimmed = given.trim();
  const translated = translateForeign(trimmed);
  if (translated) return translated;
  // No other form of a schedule has five parts, or begins like this.
  if (/^(?:@|(?:cron|rate|at)\(|\S+(?:\s+\S+){4}|(?!\d{4}-)[\d*][\d*/,-]*\s)/i.test(trimmed))
    return { cron: given };
  if (/^(?:RRULE:|FREQ=)/i.test(trimmed)) return { rrule: given };
  const interval = /^every\s+(.+)$/i.exec(trimmed)?.[1];
  const every = interval && (readWords(interval) ?? interval);
  if (every !== undefined && parseDuration(every) !== undefined) return { every };
  return /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/i.test(trimmed) ? { at: trimmed } : undefined;
}

/** The object that a schedule given as text stands for, an interval given as a cron as one; anything else as it is. */
export function expandSchedule(given: Json): Json {
  if (typeof given === "string") return expandText(given) ?? given;
  if (typeof given !== "object" || given === null || Array.isArray(given)) return given;
  const { cron, ...rest } = given;
  const translated = typeof cron === "string" ? translateForeign(cron.trim()) : undefined;
  return translated && "every" in translated && rest.every === undefined ? { ...rest, ...translated } : given;
}

/** The kind of a schedule on the wire; undefined where it names none, or several. */
export function kindOfSchedule(given: Json | undefined): WireKind | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
  const kinds = KINDS.filter((kind) => given[kind] !== undefined && given[kind] !== null);
  return kinds.length === 1 ? kinds[0] : undefined;
}

/** One that is held to an instant by whoever reads it (`findScheduleFault`). */
export const unjudgedScheduleField = codec;

/** A schedule that comes in. */
export const scheduleField = (now: () => Date) =>
  codec.superRefine((schedule, context) => {
    const fault = findScheduleFault(schedule, now());
    if (fault) context.addIssue({ code: "custom", ...fault });
  });

/** Null for a task that fires at once. */
export function toWireSchedule(schedule: Schedule): z.input<typeof wireSchedule> | null {
  if (schedule.kind === "now") return null;
  // What tasks are made with by the thousand needs no codec.
  if (schedule.kind === "delay") return { delay: formatDuration(schedule.delayMs) };
  if (schedule.kind === "once" && !schedule.local) return { at: schedule.at };
  return codec.encode(schedule) as z.input<typeof wireSchedule>;
}

/** The two forms that tasks are made with by the thousand, where nothing is wrong with them; any other is `scheduleField`'s. */
export function readPlainSchedule(given: unknown, now: () => Date): Schedule | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  const [[form, value] = [], ...more] = Object.entries(given);
  if (more.length > 0 || (form !== "delay" && form !== "at")) return undefined;
  if (form === "at" && isStoredTime(value)) return unlessFaulty({ kind: "once", at: value }, now);
  const read = wireSchedule.shape[form].safeParse(value);
  if (read.data === undefined) return undefined;
  if (form === "delay") return { kind: "delay", delayMs: read.data as number };
  if (isLocalTime(read.data as string)) return undefined;
  try {
    return unlessFaulty({ kind: "once", at: resolveTime("at", read.data as string, undefined) }, now);
  } catch (error) {
    if (error instanceof ScheduleFault) return undefined;
    throw error;
  }
}

const unlessFaulty = (schedule: Schedule, now: () => Date): Schedule | undefined =>
  findScheduleFault(schedule, now()) ? undefined : schedule;

const shownText = z.string().optional();

export const scheduleOutput = z
  .object({
    at: shownText,
    delay: shownText,
    every: shownText,
    cron: z.union([z.string(), z.array(z.string())]).optional(),
    rrule: shownText,
    timezone: shownText,
    anchor: shownText,
    startAt: shownText,
    endAt: shownText,
    exclude: z
      .object({ dates: z.array(z.string()).optional(), cron: shownText, calendar: shownText })
      .optional(),
    maxRuns: z.int().optional(),
    jitter: shownText,
    gap: shownText,
    repeat: shownText,
  })
  .nullable()
  .meta({
    description:
      "When it fires: one of `at`, `delay`, `every`, `cron`, `rrule`, with its options. Null: at once.",
  });
