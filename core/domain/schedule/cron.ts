/** Cron expressions. Pure. */
import { CronExpressionParser } from "cron-parser";

export function nextCron(expression: string, timezone: string, after: Date): Date | null {
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
