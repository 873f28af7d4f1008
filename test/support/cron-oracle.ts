/**
 * What a cron expression means, found the slow way: every minute of a span is shown by the zone's clock, and the rules of
 * docs/schedules.md are applied to that list by their words. Nothing here is shared with what it judges: expressions are
 * read by cron-parser, clocks by Intl's fields.
 */
import { CronExpressionParser } from "cron-parser";
import type { ClockChanges } from "../../core/domain/schedule/local-times.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What a clock shows, minute by minute; as a number, the minutes since 1970 as if the clock showed UTC. */
export interface Clock {
  fromMs: number;
  toMs: number;
  /** Of each minute from `fromMs` on. */
  shown: number[];
  /** Where in `shown` a time stands: once, twice or not at all. */
  at: Map<number, number[]>;
}

export function readClock(zone: string, fromMs: number, toMs: number): Clock {
  const read = createReader(zone);
  const shown: number[] = [];
  const at = new Map<number, number[]>();
  for (let ms = fromMs; ms < toMs; ms += MINUTE_MS) {
    const minute = read(ms);
    at.set(minute, [...(at.get(minute) ?? []), shown.length]);
    shown.push(minute);
  }
  return { fromMs, toMs, shown, at };
}

function createReader(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone: zone, hourCycle: "h23", calendar: "gregory", numberingSystem: "latn" },
    ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
  });
  return (ms) => {
    const [month, day, year, hour, minute] = format.format(ms).match(/\d+/g)!.map(Number);
    return Date.UTC(year!, month! - 1, day!, hour!, minute!) / MINUTE_MS;
  };
}

/** The instants of the expression from a day after the clock's first to a day before its last. */
export function expectInstants(expression: string, clock: Clock, changes: ClockChanges): number[] {
  const names = createMatcher(expression);
  if (!expression.split(" ")[1]!.startsWith("*")) return placeTimes(names, clock, changes);
  const found = clock.shown.flatMap((minute, index) => (names(minute) ? [toInstant(clock, index)] : []));
  return trimDays(found, clock);
}

/** The instants, within the same bounds, of local times that are named one by one: they shift, and may come twice. */
export function placeTimes(
  names: (minute: number) => boolean,
  clock: Clock,
  changes: ClockChanges,
): number[] {
  const found = new Set<number>();
  const last = clock.shown.at(-1)!;
  for (let minute = clock.shown[0]!; minute <= last; minute += 1) {
    if (!names(minute)) continue;
    const times = clock.at.get(minute) ?? [];
    if (times.length === 0 && changes.gap === "shift")
      found.add(toInstant(clock, clock.at.get(minute + jumpOver(clock, minute))![0]!));
    for (const index of changes.repeat === "both" ? times : times.slice(0, 1))
      found.add(toInstant(clock, index));
  }
  return trimDays([...found], clock);
}

const toInstant = ({ fromMs }: Clock, index: number) => fromMs + index * MINUTE_MS;

const trimDays = (found: number[], { fromMs, toMs }: Clock) =>
  found.filter((ms) => ms >= fromMs + DAY_MS && ms < toMs - DAY_MS).sort((one, other) => one - other);

/** By how many minutes the clock jumps over the time. */
function jumpOver({ shown }: Clock, minute: number): number {
  const index = shown.findIndex((each, at) => each < minute && shown[at + 1]! > minute);
  return shown[index + 1]! - shown[index]! - 1;
}

/** Whether the expression, of five fields, names what a clock shows. */
export function createMatcher(expression: string): (minute: number) => boolean {
  const { minute, hour, dayOfMonth, month, dayOfWeek } = CronExpressionParser.parse(expression).fields;
  const holds = (values: readonly unknown[], value: number) => values.includes(value);
  return (at) => {
    const date = new Date(at * MINUTE_MS);
    if (!holds(minute.values, date.getUTCMinutes()) || !holds(hour.values, date.getUTCHours())) return false;
    if (!holds(month.values, date.getUTCMonth() + 1)) return false;
    const tomorrow = new Date(date.getTime() + DAY_MS);
    const isLast = tomorrow.getUTCMonth() !== date.getUTCMonth();
    const isDay = holds(dayOfMonth.values, date.getUTCDate()) || (dayOfMonth.hasLastChar && isLast);
    const isWeekday = holds(dayOfWeek.values, date.getUTCDay());
    if (dayOfMonth.isWildcard) return dayOfWeek.isWildcard || isWeekday;
    return dayOfWeek.isWildcard ? isDay : isDay || isWeekday;
  };
}

/** The changes of the zone's clocks, to the minute, found by looking twice a day. */
export function findChanges(zone: string, fromMs: number, toMs: number): number[] {
  const read = createReader(zone);
  const changes: number[] = [];
  let before = read(fromMs);
  for (let ms = fromMs; ms < toMs; ms += DAY_MS / 2) {
    const after = read(ms + DAY_MS / 2);
    if (after - before !== 720) {
      let at = ms;
      while (read(at + MINUTE_MS) - read(at) === 1) at += MINUTE_MS;
      changes.push(at + MINUTE_MS);
    }
    before = after;
  }
  return changes;
}
