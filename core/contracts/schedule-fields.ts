/** The fields of a schedule on the wire, and which of them go together. */
import { z } from "zod";
import { GAPS, REPEATS, toInstant } from "../domain/schedule/local-times.ts";
import { LATEST_MS, MIN_EVERY_MS } from "../domain/schedule/schedule.ts";
import { isTimezone } from "../domain/schedule/zone.ts";
import { calendarNameField, dateField } from "./calendar.ts";
import { durationField, instantField, wholeNumberField } from "./common.ts";

export const KINDS = ["at", "delay", "cron", "every", "rrule"] as const;
export type WireKind = (typeof KINDS)[number];

export const MAX_EXPRESSIONS = 20;
export const MAX_JITTER_MS = 86_400_000;
export const MAX_RUNS = 1_000_000_000;
export const MAX_EXCLUDED_DATES = 500;
const MAX_RRULE_CHARACTERS = 10_000;

const INSTANT = "An instant (`2026-12-01T09:00:00Z`), or a local time (`2026-12-01T09:00`) with `timezone`.";

/** Bounds as refinements: zod takes others for "no schedule at all", and would not name the field. */
const shortText = (maxLength: number) =>
  z
    .string()
    .refine((text) => text.length <= maxLength, `must be at most ${maxLength} characters long`)
    .meta({ maxLength });
const shortList = <Item extends z.ZodType>(item: Item, maxItems: number, message: string) =>
  z
    .array(item)
    .refine((items) => items.length > 0, "must hold at least 1 entry")
    .refine((items) => items.length <= maxItems, message)
    .meta({ minItems: 1, maxItems });

const timeText = shortText(64).meta({ description: INSTANT });
const expressionText = shortText(256);

const exclude = z.strictObject({
  dates: shortList(dateField, MAX_EXCLUDED_DATES, `holds at most ${MAX_EXCLUDED_DATES} dates`).optional(),
  cron: expressionText.optional(),
  calendar: calendarNameField.optional(),
});

export const wireSchedule = z.strictObject({
  at: timeText.optional(),
  delay: durationField(0).optional(),
  cron: z
    .union([
      expressionText,
      shortList(expressionText, MAX_EXPRESSIONS, `takes at most ${MAX_EXPRESSIONS} expressions`),
    ])
    .optional(),
  every: durationField(MIN_EVERY_MS).optional(),
  rrule: shortText(MAX_RRULE_CHARACTERS)
    .meta({ description: "An iCalendar RRULE, optionally with EXDATE and RDATE lines." })
    .optional(),
  timezone: shortText(64).meta({ description: "An IANA name; without one, UTC." }).optional(),
  anchor: timeText.optional(),
  startAt: timeText.optional(),
  endAt: timeText.optional(),
  exclude: exclude.optional(),
  maxRuns: wholeNumberField(1, MAX_RUNS).optional(),
  jitter: durationField(1, MAX_JITTER_MS).optional(),
  gap: z.enum(GAPS, "must be shift or skip").optional(),
  repeat: z.enum(REPEATS, "must be first or both").optional(),
});

export type WireSchedule = z.output<typeof wireSchedule>;

const REPEATING: WireKind[] = ["cron", "every", "rrule"];

/** Fields that only some kinds have. */
export const TAKEN_BY = {
  timezone: ["at", ...REPEATING],
  anchor: ["every", "rrule"],
  startAt: REPEATING,
  endAt: REPEATING,
  exclude: REPEATING,
  maxRuns: REPEATING,
  jitter: REPEATING,
  gap: ["cron", "rrule"],
  repeat: ["cron", "rrule"],
} satisfies Partial<Record<keyof WireSchedule, WireKind[]>>;

/** What is wrong with a field of a schedule. */
export class ScheduleFault extends Error {
  readonly path: string[];

  constructor(message: string, ...path: string[]) {
    super(message);
    this.path = path;
  }
}

export function requireTimezone(timezone: string): void {
  if (isTimezone(timezone)) return;
  throw new ScheduleFault(
    `unknown timezone ${JSON.stringify(timezone)}; IANA names such as Europe/Rome`,
    "timezone",
  );
}

const LOCAL_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/;

export const isLocalTime = (text: string): boolean => LOCAL_TIME.test(text);

/** Years of fewer than four digits are read in more than one way, and no schedule begins there. */
export const EARLIEST_MS = Date.UTC(1900, 0, 1);

/** An instant as it is stored, on a day that there is whatever the year, but for the 31st, and at an hour that there is. */
const STORED_TIME =
  /^\d{4}-(?:\d\d-(?:[01]\d|2[0-8])|(?!02)\d\d-(?:29|30))T(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{3}Z$/;
const STORED_CHARS = "2026-12-01T09:00:00.000Z".length;

/** Whether it is an instant as it is stored, which `resolveTime` would leave as it is. */
export function isStoredTime(text: unknown): text is string {
  if (typeof text !== "string" || text.length !== STORED_CHARS) return false;
  const ms = Date.parse(text);
  if (!(ms >= EARLIEST_MS && ms <= LATEST_MS)) return false;
  // The 30th of February is read as a day of March.
  return STORED_TIME.test(text) || new Date(ms).toISOString() === text;
}

/** The same of a text that is an instant for certain, in a fifth of the time: false of some that are, as those of a 31st. */
export const isWrittenAsStored = (text: string): boolean => STORED_TIME.test(text);

/** The instant that the text of a field stands for, as it is stored. */
export function resolveTime(
  field: "at" | "anchor" | "startAt" | "endAt",
  text: string,
  timezone: string | undefined,
): string {
  const isLocal = isLocalTime(text);
  const { data, error } = instantField.safeParse(isLocal ? toUtcText(text) : text);
  if (!data) throw new ScheduleFault(messageOf(error.issues[0]!.message), field);
  if (data.getTime() < EARLIEST_MS) throw new ScheduleFault("lies before the year 1900", field);
  if (!isLocal) return data.toISOString();
  if (timezone === undefined)
    throw new ScheduleFault(
      "a local time needs a timezone beside it, an RFC 3339 instant ends with Z",
      field,
    );
  return new Date(toInstant(data.getTime(), timezone)).toISOString();
}

const toUtcText = (local: string) => `${local.length === "2026-12-01T09:00".length ? `${local}:00` : local}Z`;

const messageOf = (message: string) =>
  message.includes("RFC 3339")
    ? `${message}, or a local time such as 2026-12-01T09:00 with a timezone`
    : message;
