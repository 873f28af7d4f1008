/**
 * A recurrence rule in plain English. The library's own text takes `-2FR` for the last Friday and says nothing of which
 * parts expand a period and which only limit it.
 */
import { SECOND_MS } from "./civil.ts";
import { type RruleText, type RruleTime, readRruleText, SUBDAILY } from "./rrule-text.ts";
import type { RruleSchedule } from "./schedule.ts";
import { offsetAt } from "./zone.ts";

const WEEKDAYS: Record<string, string> = {
  ...{ MO: "Monday", TU: "Tuesday", WE: "Wednesday", TH: "Thursday", FR: "Friday" },
  ...{ SA: "Saturday", SU: "Sunday" },
};
const MONTHS = "January February March April May June July August September October November December".split(
  " ",
);
const UNITS: Record<string, string> = {
  ...{ YEARLY: "year", MONTHLY: "month", WEEKLY: "week", DAILY: "day" },
  ...{ HOURLY: "hour", MINUTELY: "minute", SECONDLY: "second" },
};
/** From the longest on. */
const FREQUENCIES = Object.keys(UNITS);

/** More are told by their hours and minutes. */
const MAX_TIMES_LISTED = 6;
const MAX_DATES_LISTED = 3;

/** What names days or times of a period, and what only limits them. */
interface Words {
  named: string[];
  limits: string[];
}

interface Rule extends RruleText {
  parts: ReadonlyMap<string, string[]>;
  /** DTSTART by the clocks of the zone; undefined: when the task is made. */
  start: Date | undefined;
}

/** The beginning of a sentence. Throws a `RruleSyntaxError`. */
export function describeRrule({ rule, anchor, timezone }: RruleSchedule): string {
  const text = readRruleText(rule);
  const parts = new Map(
    text.rule.split(";").map((part) => {
      const [name, values] = part.split("=");
      return [name!, values!.split(",")] as const;
    }),
  );
  const startMs = anchor === undefined ? undefined : Date.parse(anchor);
  const start = startMs === undefined ? undefined : new Date(startMs + offsetAt(timezone, startMs));
  const given: Rule = { ...text, parts, start };
  const days = describeDays(given);
  const times = describeTimes(given);
  const limits = [...days.limits, ...times.limits];
  const period = [describePeriod(given), ...days.named].join(" ");
  const sentence =
    limits.length > 0
      ? [period, `only ${limits.join(" and ")}`, ...times.named].join(", ")
      : [period, ...times.named].join(" ");
  return [sentence, ...describePlaces(given), ...describeBounds(given)].join(", ");
}

function describePeriod({ parts, frequency }: Rule): string {
  const interval = Number(parts.get("INTERVAL")?.[0] ?? 1);
  const weekStart = parts.get("WKST")?.[0] ?? "MO";
  const weeks = weekStart === "MO" ? "" : ` (weeks begin on ${WEEKDAYS[weekStart]})`;
  return interval === 1
    ? `Every ${UNITS[frequency]}${weeks}`
    : `Every ${interval} ${UNITS[frequency]}s${weeks}`;
}

/** What a part says of a day; with that frequency, or a longer one, it names days. */
const DAY_PARTS = [
  { part: "BYMONTH", names: "YEARLY", describe: (values: string[]) => `in ${toMonths(values)}` },
  { part: "BYWEEKNO", names: "YEARLY", describe: (values: string[]) => `in ${toWeeks(values)}` },
  {
    part: "BYYEARDAY",
    names: "YEARLY",
    describe: (values: string[]) => `on ${toPlaces(values, "day of the year")}`,
  },
  {
    part: "BYMONTHDAY",
    names: "MONTHLY",
    describe: (values: string[]) => `on ${toPlaces(values, "day of the month")}`,
  },
  { part: "BYDAY", names: "WEEKLY", describe: toWeekdays },
];

function describeDays(rule: Rule): Words {
  const { parts, frequency } = rule;
  const rank = FREQUENCIES.indexOf(frequency);
  const named: string[] = [];
  const limits: string[] = [];
  let namesDay = false;
  for (const { part, names, describe } of DAY_PARTS) {
    const values = parts.get(part);
    if (!values) continue;
    const isNaming = rank <= FREQUENCIES.indexOf(names) && !namesDay;
    const isPeriod = part === "BYMONTH" || part === "BYWEEKNO";
    (isNaming ? named : limits).push(describe(values, periodOf(rule)));
    if (isNaming && !isPeriod) namesDay = true;
  }
  if (!namesDay && rank <= FREQUENCIES.indexOf("WEEKLY")) named.push(describeDayOfStart(rule));
  return { named, limits };
}

/** What `1MO` is the first Monday of. */
const periodOf = ({ parts, frequency }: Rule) =>
  frequency === "YEARLY" && !parts.has("BYMONTH") ? "year" : "month";

/** A rule that names no day goes by the day on which it begins. */
function describeDayOfStart({ parts, frequency, start }: Rule): string {
  const isOfWeek = frequency === "WEEKLY" || parts.has("BYWEEKNO");
  if (!start) return `on the ${isOfWeek ? "weekday" : "day"} it is made`;
  if (isOfWeek) return `on ${Object.values(WEEKDAYS)[(start.getUTCDay() + 6) % 7]}`;
  const day = `on the ${toOrdinal(start.getUTCDate())}`;
  const isOfYear = frequency === "YEARLY" && !parts.has("BYMONTH");
  return isOfYear ? `${day} of ${MONTHS[start.getUTCMonth()]}` : `${day} day of the month`;
}

function describeTimes(rule: Rule): Words {
  if (SUBDAILY.includes(rule.frequency)) return describeTimesOfPeriod(rule);
  return { named: [describeTimesOfDay(rule)], limits: [] };
}

function describeTimesOfDay({ times, start }: Rule): string {
  const { hours, minutes, seconds } = times;
  if (!start && !(hours && minutes)) {
    const named = [
      ...(hours ? [`in ${toCounted("hour", hours)}`] : []),
      ...(minutes ? [`at ${toCounted("minute", minutes)}`] : []),
      ...(seconds ? [`at ${toCounted("second", seconds)}`] : []),
    ];
    return [...named, `at the ${hours ? "minute" : minutes ? "hour" : "time of day"} it is made`].join(" ");
  }
  const [hour, minute] = [hours ?? [start!.getUTCHours()], minutes ?? [start!.getUTCMinutes()]];
  // Without an anchor the second is when it was made; nobody asks for it.
  const second = seconds ?? [start?.getUTCSeconds() ?? 0];
  const listed = hour.flatMap((h) => minute.flatMap((m) => second.map((s) => toTime(h, m, s))));
  if (listed.length <= MAX_TIMES_LISTED) return `at ${toList(listed)}`;
  const bySecond = second.length === 1 && second[0] === 0 ? "" : ` and ${toCounted("second", second)}`;
  return `in ${toCounted("hour", hour)} at ${toCounted("minute", minute)}${bySecond}`;
}

/** Of a rule by hours or less: what is shorter than its period is named, what is longer limits it. */
function describeTimesOfPeriod({ parts, frequency, start }: Rule): Words {
  const rank = FREQUENCIES.indexOf(frequency);
  const named: string[] = [];
  const limits: string[] = [];
  for (const { part, unit, ofStart } of [
    { part: "BYHOUR", unit: "hour", ofStart: start?.getUTCHours() },
    { part: "BYMINUTE", unit: "minute", ofStart: start?.getUTCMinutes() },
    // Second 0 goes without saying.
    { part: "BYSECOND", unit: "second", ofStart: start?.getUTCSeconds() || undefined },
  ]) {
    const numbers = parts
      .get(part)
      ?.map(Number)
      .sort((one, other) => one - other);
    const isLonger = FREQUENCIES.indexOf(`${unit.toUpperCase()}LY`) <= rank;
    if (isLonger && numbers) limits.push(`in ${toCounted(unit, numbers)}`);
    const given = numbers ?? (ofStart === undefined ? undefined : [ofStart]);
    if (!isLonger && given) named.push(`at ${toCounted(unit, given)}`);
  }
  return { named, limits };
}

function describePlaces({ parts, frequency }: Rule): string[] {
  const places = parts.get("BYSETPOS");
  return places ? [`of these ${toPlaces(places, `in the ${UNITS[frequency]}`)}`] : [];
}

function describeBounds({ count, until, excluded, added, start, parts, frequency }: Rule): string[] {
  const interval = Number(parts.get("INTERVAL")?.[0] ?? 1);
  const isCounted = interval > 1 || count !== undefined || SUBDAILY.includes(frequency);
  const from = start ? `from ${toMoment(start.getTime())} on` : "counted from when it is made";
  return [
    ...(added.length > 0 ? [`and besides ${toDates(added)}`] : []),
    ...(start || isCounted ? [from] : []),
    ...(until ? [`until ${toDate(until)}`] : []),
    ...(count === undefined ? [] : [count === 1 ? "once" : `${count} times in all`]),
    ...(excluded.length > 0 ? [`except ${toDates(excluded)}`] : []),
  ];
}

const toDates = (dates: RruleTime[]) =>
  dates.length > MAX_DATES_LISTED ? `${dates.length} dates` : toList(dates.map(toDate));

const toDate = ({ ms, isDay, isUtc }: RruleTime) =>
  isDay ? toMoment(ms).slice(0, 10) : `${toMoment(ms)}${isUtc ? " UTC" : ""}`;

/** `2026-12-01 09:00`; with seconds where there are some. */
const toMoment = (ms: number) =>
  new Date(ms)
    .toISOString()
    .slice(0, ms % (60 * SECOND_MS) === 0 ? 16 : 19)
    .replace("T", " ");

const pad = (value: number) => String(value).padStart(2, "0");
const toTime = (hour: number, minute: number, second: number) =>
  `${pad(hour)}:${pad(minute)}${second === 0 ? "" : `:${pad(second)}`}`;

const toList = (words: string[]) =>
  words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** `minutes 0, 20 and 40`, `hours 9 to 17`. */
function toCounted(unit: string, numbers: number[]): string {
  const [first, last] = [numbers[0]!, numbers.at(-1)!];
  const isRange = numbers.length > 2 && last - first === numbers.length - 1;
  const listed = isRange ? `${first} to ${last}` : toList(numbers.map(String));
  return `${unit}${numbers.length > 1 ? "s" : ""} ${listed}`;
}

const toMonths = (values: string[]) => toList(values.map((value) => MONTHS[Number(value) - 1]!));

const toWeeks = (values: string[]) =>
  values.some((value) => value.startsWith("-"))
    ? toPlaces(values, "week of the year")
    : `${toCounted("week", values.map(Number))}`;

/** `MO`, `-1FR`; of a week `MO` to `FR` are weekdays. */
function toWeekdays(values: string[], period: string): string {
  const items = values.map((value) => ({ place: Number(value.slice(0, -2) || 0), weekday: value.slice(-2) }));
  const plain = new Set(items.filter(({ place }) => place === 0).map(({ weekday }) => weekday));
  const isWorkWeek = items.length === 5 && plain.size === 5 && !plain.has("SA") && !plain.has("SU");
  if (isWorkWeek) return "on Monday to Friday";
  const words = items.map(({ place, weekday }) =>
    place === 0 ? WEEKDAYS[weekday]! : `the ${toPlace(place)} ${WEEKDAYS[weekday]}`,
  );
  return `on ${toList(words)}${items.some(({ place }) => place !== 0) ? ` of the ${period}` : ""}`;
}

const toPlaces = (values: string[], of: string) =>
  `${toList(values.map((value) => `the ${toPlace(Number(value))}`))} ${of}`;

/** 1 is the first, -1 the last, -2 the one before it. */
const toPlace = (place: number) =>
  place > 0 ? toOrdinal(place) : place === -1 ? "last" : `${toOrdinal(-place)} to last`;

function toOrdinal(place: number): string {
  const isTeen = place % 100 > 10 && place % 100 < 14;
  const ending = isTeen ? "th" : (["th", "st", "nd", "rd"][place % 10] ?? "th");
  return `${place}${ending}`;
}
