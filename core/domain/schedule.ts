/** When a task fires. Pure: everything takes the instants it needs. */
import { CronExpressionParser } from "cron-parser";

export type Schedule =
  /** At once, when the task is made. */
  | { kind: "now" }
  | { kind: "once"; at: string }
  | { kind: "delay"; delayMs: number }
  | { kind: "every"; everyMs: number }
  | { kind: "cron"; expression: string; timezone: string };

/** How late a `once` may be when it arrives: clocks differ a little. */
export const ONCE_GRACE_MS = 5_000;
export const MIN_EVERY_MS = 1_000;

/** The first instant of a schedule whose grid starts at `anchor`; null: never. */
export function firstOccurrence(schedule: Schedule, anchor: Date): Date | null {
  switch (schedule.kind) {
    case "now":
      return anchor;
    case "once":
      return new Date(schedule.at);
    case "delay":
      return new Date(anchor.getTime() + schedule.delayMs);
    case "every":
    case "cron":
      return nextOccurrence(schedule, anchor, anchor);
  }
}

/** The first instant strictly after `after`, for schedules that repeat; null for those that fire once. */
export function nextOccurrence(schedule: Schedule, anchor: Date, after: Date): Date | null {
  if (schedule.kind === "every") {
    const steps = Math.floor((after.getTime() - anchor.getTime()) / schedule.everyMs) + 1;
    return new Date(anchor.getTime() + Math.max(steps, 1) * schedule.everyMs);
  }
  if (schedule.kind === "cron") return nextCron(schedule.expression, schedule.timezone, after);
  return null;
}

/**
 * The cursor after the occurrence `fired` was staged at `now`: instants that passed meanwhile (every scheduler was
 * down) are merged into the one that fires late, so an outage is followed by one run and not by a storm.
 */
export function advanceCursor(schedule: Schedule, anchor: Date, fired: Date, now: Date): Date | null {
  return nextOccurrence(schedule, anchor, fired > now ? fired : now);
}

/** Whether later instants had passed too when `fired` was staged at `now`: those never fire. */
export function hasPassedOver(schedule: Schedule, anchor: Date, fired: Date, now: Date): boolean {
  if (fired >= now) return false;
  const next = nextOccurrence(schedule, anchor, fired);
  return next !== null && next <= now;
}

function nextCron(expression: string, timezone: string, after: Date): Date | null {
  const cron = CronExpressionParser.parse(expression, { currentDate: after, tz: timezone });
  try {
    return cron.next().toDate();
  } catch {
    return null;
  }
}

/** What is wrong with a cron expression, or undefined. Five fields, or six with seconds first, or `@daily` and its like. */
export function findCronFault(expression: string, now: Date): string | undefined {
  const text = expression.trim();
  const fields = text.split(/\s+/);
  if (!text.startsWith("@") && (fields.length < 5 || fields.length > 6)) {
    return "a cron expression has five fields: minute, hour, day of month, month, day of week";
  }
  // The parser hashes with a new seed at every parse. THU and MARCH hold an H, and begin with none.
  if (!text.startsWith("@") && /\bH/i.test(text)) return "hashed fields (H) are not supported";
  try {
    if (nextCron(text, "UTC", now) === null) return "this expression never fires";
  } catch (error) {
    return /explicit day of month/.test((error as Error).message)
      ? "this expression never fires: no such day in that month"
      : describeFault(text, fields);
  }
  return undefined;
}

const ALIASES = "@hourly, @daily, @weekly, @monthly, @yearly";
const FIELDS: [name: string, takes: string][] = [
  ["second", "0 to 59"],
  ["minute", "0 to 59"],
  ["hour", "0 to 23"],
  ["day of month", "1 to 31, L"],
  ["month", "1 to 12, JAN to DEC"],
  ["day of week", "0 to 7, SUN to SAT"],
];

/** The first field that cannot be read by itself: the parser says what it stumbled over, and not where. */
function describeFault(text: string, fields: string[]): string {
  if (text.startsWith("@")) return `${JSON.stringify(text)} is not known; ${ALIASES} are`;
  for (const [index, [name, takes]] of FIELDS.slice(-fields.length).entries()) {
    const field = fields[index]!;
    if (canParse(fields.map((_other, at) => (at === index ? field : "*")).join(" "))) continue;
    return `${JSON.stringify(field)} is not a valid ${name}: ${takes}, also in lists (1,2), ranges (1-5) and steps (*/5)`;
  }
  return "this is not a valid cron expression";
}

function canParse(expression: string): boolean {
  try {
    CronExpressionParser.parse(expression);
    return true;
  } catch {
    return false;
  }
}

/** IANA names only: an offset knows nothing of summer time. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
