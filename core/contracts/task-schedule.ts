/**
 * When a task fires, on the wire: `{at}`, `{delay}`, `{every}` or `{cron, timezone}`; left out, it fires at once. A cron
 * expression by itself stands for `{cron}`.
 */
import { z } from "zod";
import { findCronFault } from "../domain/schedule/cron.ts";
import { MIN_EVERY_MS, ONCE_GRACE_MS, type Schedule } from "../domain/schedule/schedule.ts";
import { isTimezone } from "../domain/schedule/zone.ts";
import type { Json } from "../json.ts";
import { durationField, instantField, instantOutput, refuse } from "./common.ts";

const KINDS = ["at", "delay", "cron", "every"] as const;

const wire = z.strictObject({
  at: instantField.optional(),
  delay: durationField(0).optional(),
  cron: z.string().max(256).optional(),
  /** An IANA name; without one, UTC. */
  timezone: z.string().max(64).optional(),
  every: durationField(MIN_EVERY_MS).optional(),
});

const FORMS =
  'must be {"at": "2026-12-01T09:00:00Z"}, {"delay": "10m"}, {"every": "1h"} or {"cron": "*/5 * * * *", "timezone": "Europe/Rome"}; only a cron expression may stand by itself';

const text = z.string().max(256);

const codec = z.codec(z.union([text, wire], FORMS), z.custom<Schedule>(), {
  decode(given, context): Schedule {
    if (typeof given === "string") return isCronLike(given) ? toCron(given) : refuse(context, FORMS);
    const { at, delay, cron, timezone, every } = given;
    if (KINDS.filter((kind) => given[kind] !== undefined).length !== 1)
      return refuse(context, "holds exactly one of at, delay, cron, every");
    if (timezone !== undefined && cron === undefined)
      return refuse(context, "only cron takes a timezone", ["timezone"]);
    if (at !== undefined) return { kind: "once", at: at.toISOString() };
    if (delay !== undefined) return { kind: "delay", delayMs: delay };
    if (every !== undefined) return { kind: "every", everyMs: every };
    return toCron(cron!, timezone);
  },
  encode(schedule) {
    switch (schedule.kind) {
      case "now":
        return {};
      case "once":
        return { at: new Date(schedule.at) };
      case "delay":
        return { delay: schedule.delayMs };
      case "every":
        return { every: schedule.everyMs };
      case "cron":
        return { cron: schedule.expression, timezone: schedule.timezone };
    }
  },
});

const toCron = (expression: string, timezone = "UTC"): Schedule => ({
  kind: "cron",
  expression: expression.trim(),
  timezone,
});

/** No other form of a schedule has five parts, or begins with an @. */
const isCronLike = (given: string) => /^\s*(?:@|\S+(?:\s+\S+){4})/.test(given);

/** The object that a schedule given as text stands for; anything else as it is. */
export const expandSchedule = (given: Json): Json =>
  typeof given === "string" && isCronLike(given) ? { cron: given } : given;

/** The kind of a schedule on the wire; undefined where it names none, or several. */
export function kindOfSchedule(given: Json | undefined): (typeof KINDS)[number] | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
  const kinds = KINDS.filter((kind) => given[kind] !== undefined && given[kind] !== null);
  return kinds.length === 1 ? kinds[0] : undefined;
}

/** A schedule that comes in; what was stored lies in the past some day, and stays. */
export const scheduleField = (now: () => Date) =>
  codec.superRefine((schedule, context) => {
    const fault = findFault(schedule, now());
    if (fault) context.addIssue({ code: "custom", ...fault });
  });

function findFault(schedule: Schedule, now: Date): { path: string[]; message: string } | undefined {
  if (schedule.kind === "once" && Date.parse(schedule.at) < now.getTime() - ONCE_GRACE_MS)
    return { path: ["at"], message: "lies in the past" };
  if (schedule.kind !== "cron") return undefined;
  const message = findCronFault(schedule.expression, now);
  if (message) return { path: ["cron"], message };
  if (isTimezone(schedule.timezone)) return undefined;
  const shown = JSON.stringify(schedule.timezone);
  return { path: ["timezone"], message: `unknown timezone ${shown}; IANA names such as Europe/Rome` };
}

/** Null for a task that fires at once. */
export const toWireSchedule = (schedule: Schedule) =>
  schedule.kind === "now" ? null : (codec.encode(schedule) as z.input<typeof wire>);

export const scheduleOutput = z
  .object({
    at: instantOutput.optional(),
    delay: z.string().optional(),
    every: z.string().optional(),
    cron: z.string().optional(),
    timezone: z.string().optional(),
  })
  .nullable()
  .meta({ description: "When it fires: one of `at`, `delay`, `every`, `cron`. Null: at once." });
