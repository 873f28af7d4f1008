/**
 * Recurrence rules of iCalendar (RFC 5545) as text: a RRULE, maybe with lines of EXDATE and RDATE. DTSTART is the
 * schedule's anchor, in its zone, and no part of the text.
 */

export class RruleSyntaxError extends Error {}

export const SUBDAILY = ["SECONDLY", "MINUTELY", "HOURLY"];
const DAILY = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

/** A time as it is written: local, or with `Z` in UTC; a day alone has no time. */
export interface RruleTime {
  /** As if UTC. */
  ms: number;
  isUtc: boolean;
  isDay: boolean;
}

export interface RruleText {
  /** Without COUNT, UNTIL and the parts of `times`. */
  rule: string;
  frequency: string;
  /** Of its instants from the start, be they excluded or not. */
  count: number | undefined;
  until: RruleTime | undefined;
  /** Of rules by days: the hours, minutes and seconds that are named; of the others they stay in the rule. */
  times: { hours?: number[]; minutes?: number[]; seconds?: number[] };
  excluded: RruleTime[];
  added: RruleTime[];
}

/** More in one rule are a list of dates, not a rule. */
const MAX_DATES = 500;
/** All of them are counted from the start. */
const MAX_COUNT = 1_000;
/** Values of one part: a search looks at each, and with these it takes about a millisecond. */
const MAX_VALUES = 60;
/** Times that a rule may name in a day, or in each hour of a rule by hours. */
const MAX_TIMES = 60;

/** Throws a `RruleSyntaxError`. */
export function readRruleText(text: string): RruleText {
  const lines = text.split(/\r?\n|\\n/).map((line) => line.trim());
  const rules: string[] = [];
  const excluded: RruleTime[] = [];
  const added: RruleTime[] = [];
  for (const line of lines.filter((each) => each !== "")) {
    const [, name = "RRULE", value] = /^(?:([A-Z]+)(?:;[^:]*)?:)?(.*)$/i.exec(line)!;
    if (/^RRULE$/i.test(name)) rules.push(value!);
    else if (/^EXDATE$/i.test(name)) excluded.push(...value!.split(",").map(readTime));
    else if (/^RDATE$/i.test(name)) added.push(...value!.split(",").map(readRdate));
    else if (/^DTSTART$/i.test(name)) throw new RruleSyntaxError('DTSTART is written as "anchor"');
    else throw new RruleSyntaxError(`${JSON.stringify(name)} is not known; RRULE, EXDATE and RDATE are`);
  }
  if (rules.length !== 1) throw new RruleSyntaxError("holds exactly one RRULE");
  if (excluded.length + added.length > MAX_DATES)
    throw new RruleSyntaxError(`holds at most ${MAX_DATES} dates; a calendar holds more`);
  return { ...readRule(rules[0]!), excluded, added };
}

function readRdate(text: string): RruleTime {
  const time = readTime(text);
  if (time.isDay) throw new RruleSyntaxError(`an RDATE has a time, such as 20261224T090000, not ${text}`);
  return time;
}

/** `20261225`, `20261225T090000`, `20261225T080000Z`. */
function readTime(text: string): RruleTime {
  const parts = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/i.exec(text.trim());
  const [year, month, day, hour = 0, minute = 0, second = 0] = (parts ?? []).slice(1, 7).map(Number);
  const ms = Date.UTC(year!, month! - 1, day!, hour || 0, minute || 0, second || 0);
  const isDay = parts?.[4] === undefined;
  if (parts && new Date(ms).toISOString().startsWith(`${parts[1]}-${parts[2]}-${parts[3]}`))
    return { ms, isUtc: parts[7] !== undefined && parts[7] !== "", isDay };
  throw new RruleSyntaxError(`${JSON.stringify(text)} is not a valid date: 20261225 or 20261225T090000`);
}

const number = (least: number, most: number) => (value: string) =>
  /^[+-]?\d{1,4}$/.test(value) && Number(value) >= least && Number(value) <= most;
const fromEnd = (most: number) => (value: string) => number(-most, most)(value) && Number(value) !== 0;
const list = (isItem: (value: string) => boolean) => (value: string) => value.split(",").every(isItem);

/** What each part takes. */
const PARTS: Record<string, (value: string) => boolean> = {
  FREQ: (value) => [...SUBDAILY, ...DAILY].includes(value),
  INTERVAL: number(1, 9_999),
  COUNT: number(1, MAX_COUNT),
  UNTIL: () => true,
  WKST: (value) => /^(?:SU|MO|TU|WE|TH|FR|SA)$/.test(value),
  BYDAY: list((value) => /^(?:[+-]?[1-9]\d?)?(?:SU|MO|TU|WE|TH|FR|SA)$/.test(value)),
  BYMONTH: list(number(1, 12)),
  BYWEEKNO: list(fromEnd(53)),
  BYYEARDAY: list(fromEnd(366)),
  BYMONTHDAY: list(fromEnd(31)),
  BYHOUR: list(number(0, 23)),
  BYMINUTE: list(number(0, 59)),
  BYSECOND: list(number(0, 59)),
  BYSETPOS: list(fromEnd(366)),
};

const TIMES = { BYHOUR: "hours", BYMINUTE: "minutes", BYSECOND: "seconds" } as const;

function readRule(text: string): Omit<RruleText, "excluded" | "added"> {
  const parts = readParts(text.toUpperCase());
  const frequency = parts.get("FREQ");
  if (frequency === undefined)
    throw new RruleSyntaxError(`must name its FREQ: ${[...DAILY, ...SUBDAILY].join(", ")}`);
  const named = Object.entries(TIMES).flatMap(([part, name]) => {
    const values = parts.get(part)?.split(",").map(Number);
    return values ? [[name, [...new Set(values)].sort((one, other) => one - other)] as const] : [];
  });
  const timesADay = named.reduce((product, [, values]) => product * values.length, 1);
  if (timesADay > MAX_TIMES)
    throw new RruleSyntaxError(`names ${timesADay} times; at most ${MAX_TIMES} a day`);
  const isByDays = DAILY.includes(frequency);
  if (isByDays && timesADay > 1 && (parts.has("COUNT") || parts.has("BYSETPOS")))
    throw new RruleSyntaxError("COUNT and BYSETPOS go with one time a day; maxRuns counts runs");
  refuseCombinations(parts);
  const countText = parts.get("COUNT");
  const until = parts.get("UNTIL");
  for (const part of ["COUNT", "UNTIL"]) parts.delete(part);
  if (isByDays) for (const part of Object.keys(TIMES)) parts.delete(part);
  const isOfMonths = frequency === "DAILY" && parts.has("BYMONTHDAY") && !hasPeriods(parts);
  // The same days, and found by the month: the search gives up after so many days without one.
  if (isOfMonths) parts.set("FREQ", "MONTHLY");
  return {
    rule: [...parts].map((part) => part.join("=")).join(";"),
    frequency,
    count: countText === undefined ? undefined : Number(countText),
    until: until === undefined ? undefined : readTime(until),
    times: isByDays ? Object.fromEntries(named) : {},
  };
}

/** Which days of a period there are does not matter otherwise. */
const hasPeriods = (parts: ReadonlyMap<string, string>) =>
  parts.has("BYSETPOS") || (parts.get("INTERVAL") ?? "1") !== "1";

/**
 * What RFC 5545 does not allow, and what the library finds wrong days for. Each with what to write instead.
 * `rrule-oracle.test.ts` holds what is left to the days that the RFC names.
 */
function refuseCombinations(parts: ReadonlyMap<string, string>): void {
  const frequency = parts.get("FREQ")!;
  const isNumbered = /\d/.test(parts.get("BYDAY") ?? "");
  const refuseIf = (isRefused: boolean, message: string) => {
    if (isRefused) throw new RruleSyntaxError(message);
  };
  refuseIf(
    isNumbered && frequency !== "MONTHLY" && frequency !== "YEARLY",
    `BYDAY with numbers goes with FREQ=MONTHLY or YEARLY, not ${frequency}`,
  );
  refuseIf(
    parts.has("BYSETPOS") && frequency === "DAILY",
    "BYSETPOS chooses among several days: it goes with FREQ=WEEKLY, MONTHLY or YEARLY, not DAILY",
  );
  refuseIf(
    parts.has("BYMONTHDAY") && frequency === "WEEKLY",
    "BYMONTHDAY does not go with FREQ=WEEKLY; write FREQ=MONTHLY, with BYDAY for the days of the week",
  );
  refuseIf(
    parts.has("BYYEARDAY") && frequency !== "YEARLY",
    `BYYEARDAY goes with FREQ=YEARLY, not ${frequency}`,
  );
  refuseIf(
    parts.has("BYYEARDAY") && ["BYDAY", "BYMONTHDAY", "BYMONTH"].some((part) => parts.has(part)),
    "BYYEARDAY names the days by itself; write BYMONTH and BYMONTHDAY instead where it is to go with others",
  );
  refuseIf(
    isNumbered && parts.has("BYMONTHDAY"),
    "BYDAY with numbers does not go with BYMONTHDAY; write BYDAY=FR;BYMONTHDAY=13 for a Friday the 13th",
  );
  if (!parts.has("BYWEEKNO")) return;
  refuseIf(frequency !== "YEARLY", `BYWEEKNO goes with FREQ=YEARLY, not ${frequency}`);
  refuseIf(
    isNumbered || !parts.has("BYDAY"),
    "BYWEEKNO needs the days of the week, without numbers: BYWEEKNO=20;BYDAY=MO",
  );
  refuseIf(
    ["BYMONTH", "BYMONTHDAY", "BYYEARDAY"].some((part) => parts.has(part)),
    "BYWEEKNO goes with BYDAY alone; write BYMONTH and BYMONTHDAY without it",
  );
}

function readParts(text: string): Map<string, string> {
  const parts = new Map<string, string>();
  for (const part of text.split(";").filter((each) => each !== "")) {
    const [name, value] = part.split("=") as [string, string | undefined];
    const takes = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
    if (!takes)
      throw new RruleSyntaxError(
        `${JSON.stringify(name)} is not known; ${Object.keys(PARTS).join(", ")} are`,
      );
    if (value === undefined || !takes(value))
      throw new RruleSyntaxError(`${JSON.stringify(part)} is not valid`);
    if (value.split(",").length > MAX_VALUES)
      throw new RruleSyntaxError(`${name} holds at most ${MAX_VALUES} values`);
    if (parts.has(name)) throw new RruleSyntaxError(`names ${name} twice`);
    parts.set(name, value);
  }
  return parts;
}
