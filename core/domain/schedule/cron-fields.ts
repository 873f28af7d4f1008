/**
 * The fields of a cron expression. Their items are cron-parser's; what it refuses and has one meaning is ours: a list of items, each a value, a name, a range, `*` or `?`, or a range with a step; the
 * day fields take more (cron-days.ts). A range may go round: `22-2` is 22 to 2 o'clock.
 */
import { CronExpressionParser } from "cron-parser";
import type { CountedDay, CronDays, PlacedWeekday } from "./cron-days.ts";

export interface CronFields {
  /** Each in order. */
  seconds: number[];
  minutes: number[];
  hours: number[];
  months: number[];
  days: CronDays;
  /** The hour field begins with `*`: it fires at every real instant, and nothing shifts. */
  everyHour: boolean;
}

/** What is wrong, said to whoever wrote it. */
export class CronSyntaxError extends Error {}

interface Field {
  /** In what cron-parser answers. */
  key: "second" | "minute" | "hour" | "dayOfMonth" | "month" | "dayOfWeek";
  name: string;
  min: number;
  max: number;
  /** What the field takes, for the message. */
  takes: string;
  /** In full; three letters are enough. The first stands for `min`. */
  names?: string[];
}

const MONTHS = "january february march april may june july august september october november december";
const WEEKDAYS = "sunday monday tuesday wednesday thursday friday saturday";

const FIELDS = {
  second: { key: "second", name: "second", min: 0, max: 59, takes: "0 to 59" },
  minute: { key: "minute", name: "minute", min: 0, max: 59, takes: "0 to 59" },
  hour: { key: "hour", name: "hour", min: 0, max: 23, takes: "0 to 23" },
  dayOfMonth: { key: "dayOfMonth", name: "day of month", min: 1, max: 31, takes: "1 to 31, L, L-2, 15W, LW" },
  month: {
    key: "month",
    name: "month",
    min: 1,
    max: 12,
    takes: "1 to 12, JAN to DEC",
    names: MONTHS.split(" "),
  },
  /** 7 is Sunday as well. */
  dayOfWeek: {
    key: "dayOfWeek",
    name: "day of week",
    min: 0,
    max: 7,
    takes: "0 to 7, SUN to SAT, 5L, 1#2",
    names: WEEKDAYS.split(" "),
  },
} satisfies Record<string, Field>;

/** Throws a `CronSyntaxError`. Takes five fields, or six with the second first. */
export function readFields(texts: string[]): CronFields {
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = texts.length === 5 ? ["0", ...texts] : texts;
  return {
    seconds: readPlain(FIELDS.second, second!),
    minutes: readPlain(FIELDS.minute, minute!),
    hours: readPlain(FIELDS.hour, hour!),
    months: readPlain(FIELDS.month, month!),
    days: { ofMonth: readDaysOfMonth(dayOfMonth!), ofWeek: readDaysOfWeek(dayOfWeek!) },
    everyHour: /^[*?]/.test(hour!),
  };
}

const isAny = (text: string) => text === "*" || text === "?";

const readPlain = (field: Field, text: string): number[] =>
  [...new Set(text.split(",").flatMap((item) => readItem(field, item)))].sort((one, other) => one - other);

function readDaysOfMonth(text: string): CronDays["ofMonth"] {
  if (isAny(text)) return undefined;
  let days = 0;
  const counted: CountedDay[] = [];
  for (const item of text.split(",")) {
    const special = /^(?:L(?:-(\d{1,2}))?|(\d{1,2}))(W?)$/i.exec(item);
    const isPlain = special?.[2] !== undefined && special[3] === "";
    if (!special || isPlain) {
      for (const day of readItem(FIELDS.dayOfMonth, item)) days |= 1 << day;
      continue;
    }
    const [, beforeLast = "0", ofMonth, weekday] = special;
    const day = ofMonth === undefined ? -Number(beforeLast) : Number(ofMonth);
    if (ofMonth === undefined ? day < -30 : day < 1 || day > 31) throw faultOf(FIELDS.dayOfMonth, item);
    counted.push({ day, nearestWeekday: weekday !== "" });
  }
  return { days, counted };
}

function readDaysOfWeek(text: string): CronDays["ofWeek"] {
  if (isAny(text)) return undefined;
  let weekdays = 0;
  const placed: PlacedWeekday[] = [];
  for (const item of text.split(",")) {
    const special = /^(\w+?)(?:L|#([1-5]))$/i.exec(item);
    const weekday = special ? toValue(FIELDS.dayOfWeek, special[1]!) : undefined;
    if (weekday !== undefined) placed.push({ weekday: weekday % 7, place: Number(special![2] ?? -1) });
    else for (const day of readItem(FIELDS.dayOfWeek, item)) weekdays |= 1 << (day % 7);
  }
  return { weekdays, placed };
}

/** The values of one item. What cron-parser has no form for is put into one that it has. */
function readItem(field: Field, item: string): number[] {
  const parts = /^(?:([*?])|(\w+?)(?:-(\w+))?)(?:\/(\d{1,4}))?$/.exec(item);
  if (!parts) throw faultOf(field, item);
  const [, any, first, last, step] = parts;
  const every = step === undefined ? "" : `/${step}`;
  if (any) return readByLibrary(field, item, `*${every}`);
  const from = toValue(field, first!);
  const to = last === undefined ? from : toValue(field, last);
  if (from === undefined || to === undefined) throw faultOf(field, item);
  if (last === undefined) return readByLibrary(field, item, `${from}${every}`);
  if (from > to) return goRound(field, item, from, to, Number(step ?? 1));
  return readByLibrary(field, item, `${from}-${to}${every}`);
}

/** The other fields are `*`, so that no day is left out for the sake of a month. */
function readByLibrary(field: Field, item: string, text: string): number[] {
  const texts = Object.values(FIELDS).map((other) => (other === field ? text : "*"));
  try {
    return CronExpressionParser.parse(texts.join(" ")).fields[field.key].values.map(Number);
  } catch {
    throw faultOf(field, item);
  }
}

/** `22-2`: to the end and on from the beginning. Months differ in length, so a step through their days has no meaning. */
function goRound(field: Field, item: string, from: number, to: number, step: number): number[] {
  if (step < 1 || (field === FIELDS.dayOfMonth && step > 1)) throw faultOf(field, item);
  const size = field === FIELDS.dayOfWeek ? 7 : field.max - field.min + 1;
  const count = Math.floor((to + size - from) / step) + 1;
  return Array.from({ length: count }, (_, index) => ((from + index * step - field.min) % size) + field.min);
}

function toValue({ min, max, names }: Field, text: string): number | undefined {
  if (/^\d{1,4}$/.test(text)) return Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
  const given = text.toLowerCase();
  const index = given.length < 3 ? -1 : (names ?? []).findIndex((name) => name.startsWith(given));
  return index < 0 ? undefined : min + index;
}

const faultOf = ({ name, takes }: Field, item: string) =>
  new CronSyntaxError(
    `${JSON.stringify(item)} is not a valid ${name}: ${takes}, also in lists (1,2), ranges (1-5) and steps (*/5)`,
  );
