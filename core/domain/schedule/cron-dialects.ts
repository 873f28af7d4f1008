/** Forms of other systems: what those with one meaning stand for here, and what to write in place of the others. */
import { parseDuration } from "../../duration.ts";

/** An expression of ours, or an interval. */
export type Translation = { cron: string } | { every: string };

/** What the text stands for here, where it can mean one thing only; undefined: it is ours, or has no such meaning. */
export function translateForeign(text: string): Translation | undefined {
  const interval = /^@every\s+(\S+)$/i.exec(text)?.[1] ?? readWords(/^rate\((.*)\)$/i.exec(text)?.[1] ?? "");
  if (interval !== undefined) return parseDuration(interval) === undefined ? undefined : { every: interval };
  const cron = withoutYear(text);
  return cron?.year === "*" && cron.isCertain ? { cron: cron.expression } : undefined;
}

/** `5 minutes` → `5m`; undefined: no such interval. */
export function readWords(text: string): string | undefined {
  const [, count, unit] = /^(\d{1,9})\s+(second|minute|hour|day|week)s?$/i.exec(text.trim()) ?? [];
  return unit && `${count}${unit[0]!.toLowerCase()}`;
}

/** What is wrong with the expression, or undefined: then it is one of ours, or simply wrong. */
export function findForeignForm(text: string): string | undefined {
  const translation = translateForeign(text);
  if (translation && "every" in translation)
    return `an interval is no cron expression: ${JSON.stringify(translation)} is a schedule by itself`;
  if (translation) return `write ${JSON.stringify(translation.cron)}`;
  if (/^@every\b/i.test(text)) return 'write {"every": "5m"} for an interval';
  if (/^@reboot$/i.test(text))
    return '"@reboot" is not known: a task without a schedule runs once, when it is made';
  const at = /^at\((.*)\)$/i.exec(text)?.[1];
  if (at !== undefined) return `write {"at": ${JSON.stringify(at.trim())}, "timezone": "…"}`;
  if (/^rate\(/i.test(text)) return 'write {"every": "5m"} for an interval; months differ in length';
  const [, zone, rest] = /^(?:CRON_TZ|TZ)=(\S+)\s+(.*)$/i.exec(text) ?? [];
  if (zone !== undefined) return `write ${JSON.stringify({ cron: rest, timezone: zone })}`;
  // THU and MARCH hold an H, and begin with none.
  if (!text.startsWith("@") && /\bH/i.test(text))
    return "hashed fields (H) are not supported; jitter spreads tasks over a window";
  const cron = withoutYear(text);
  if (!cron) return undefined;
  return cron.weekdayIsUnclear
    ? "a year is no field here: leave it out, and name the day of the week, whose numbers differ between systems (1 is Monday here)"
    : `a year is no field here (six fields begin with the second): write ${JSON.stringify(cron.expression)}, with startAt and endAt for years`;
}

interface WithYear {
  /** Without it. */
  expression: string;
  /** `*` is every one, and so is one that is left out. */
  year: string;
  /** It holds numbers that other systems count from another day. */
  weekdayIsUnclear: boolean;
  /** No system reads it in another way. */
  isCertain: boolean;
}

/** Of EventBridge, Quartz and those after them: they end with a year. */
function withoutYear(text: string): WithYear | undefined {
  const wrapped = /^cron\((.*)\)$/i.exec(text)?.[1]?.trim();
  const isWrapped = wrapped !== undefined;
  const fields = (wrapped ?? text).split(/\s+/);
  if (!endsWithYear(fields, isWrapped) && !(isWrapped && fields.length === 5)) return undefined;
  const own = fields.length === 5 ? fields : fields.slice(0, -1);
  const year = fields.length === 5 ? "*" : fields.at(-1)!;
  const weekdays = own.at(-1)!;
  // A question mark says whose form it is, and 1 is Sunday in it.
  const isKnown = fields.length > 5 && (isWrapped || own.includes("?"));
  const expression = [...own.slice(0, -1), isKnown ? toNamedWeekdays(weekdays) : weekdays].join(" ");
  const weekdayIsUnclear = !isKnown && /^\d|[,-]\d/.test(weekdays);
  // Of seven fields the second may be the first, or the last but one.
  const isCertain = isKnown || (!weekdayIsUnclear && fields.length < 7);
  return { expression, year, weekdayIsUnclear, isCertain };
}

function endsWithYear(fields: string[], isWrapped: boolean): boolean {
  if (fields.length === 7) return true;
  if (fields.length !== 6) return false;
  if (isWrapped || /^(?:19|2[01])\d\d\b/.test(fields[5]!)) return true;
  // Their question marks and names then stand one field further left than ours.
  return fields[4] === "?" || fields[2] === "?" || WEEKDAY.test(fields[4]!);
}

const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const WEEKDAY = new RegExp(`^(?:${WEEKDAYS.join("|")})`, "i");

/** Weekdays from 1, Sunday, to 7, by their names. What is no such number stays, and is refused as what it is. */
const toNamedWeekdays = (text: string) => text.split(",").map(toNamedWeekday).join(",");

function toNamedWeekday(item: string): string {
  const toName = (digit: string) => WEEKDAYS[Number(digit) - 1] ?? digit;
  const [, first, last = "7", step] = /^([1-7])(?:-([1-7]))?\/([1-7])$/.exec(item) ?? [];
  if (first !== undefined)
    return WEEKDAYS.filter((_, index) => {
      const passed = index + 1 - Number(first);
      return passed >= 0 && index < Number(last) && passed % Number(step) === 0;
    }).join(",");
  return item.replace(/^\d(?=$|[-L#])|(?<=-)\d$/gi, toName);
}
