/**
 * What a schedule fires within the span of a clock, found the slow way: cron by the minutes that the clock shows
 * (cron-oracle.ts), the rest by counting. Shares nothing with what it judges.
 */
import type { ClockChanges } from "../../core/domain/schedule/local-times.ts";
import type {
  CronSchedule,
  EverySchedule,
  Exclusions,
  RepeatingSchedule,
  RruleSchedule,
} from "../../core/domain/schedule/schedule.ts";
import { type Clock, createMatcher, expectInstants, placeTimes } from "./cron-oracle.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DAY_MINUTES = 1_440;

/** Those from a day after the clock's first to a day before its last, of a schedule that was made at `madeMs`. */
export function listInstants(schedule: RepeatingSchedule, madeMs: number, clock: Clock): number[] {
  const [startMs, endMs] = [Date.parse(schedule.startAt ?? ""), Date.parse(schedule.endAt ?? "")];
  const isExcluded = createExclusion(schedule.exclude, clock);
  return listNamed(schedule, madeMs, clock).filter(
    (ms) =>
      !(ms < startMs || ms > endMs) &&
      ms >= clock.fromMs + DAY_MS &&
      ms < clock.toMs - DAY_MS &&
      !isExcluded(ms),
  );
}

function listNamed(schedule: RepeatingSchedule, madeMs: number, clock: Clock): number[] {
  if (schedule.kind === "every") return listGrid(schedule, madeMs, clock);
  return schedule.kind === "cron" ? listCron(schedule, clock) : listRule(schedule, madeMs, clock);
}

/** A grid that its author laid begins with its first instant, another one an interval after it was made. */
function listGrid({ everyMs, anchor, startAt }: EverySchedule, madeMs: number, { toMs }: Clock): number[] {
  const laid = anchor ?? startAt;
  const found: number[] = [];
  for (let ms = laid === undefined ? madeMs + everyMs : Date.parse(laid); ms < toMs; ms += everyMs)
    found.push(ms);
  return found;
}

const toChanges = ({ gap = "shift", repeat = "first" }: Partial<ClockChanges>): ClockChanges => ({
  gap,
  repeat,
});

function listCron(schedule: CronSchedule, clock: Clock): number[] {
  const each = [schedule.expression].flat().map((one) => expectInstants(one, clock, toChanges(schedule)));
  return [...new Set(each.flat())].sort((one, other) => one - other);
}

/** Rules of the form `FREQ=DAILY;INTERVAL=n`, maybe with a COUNT: each n-th day, when the clock shows the anchor's time. */
function listRule(schedule: RruleSchedule, madeMs: number, clock: Clock): number[] {
  const { interval, count } = /^FREQ=DAILY;INTERVAL=(?<interval>\d+)(;COUNT=(?<count>\d+))?$/.exec(
    schedule.rule,
  )!.groups!;
  const firstMs = schedule.anchor === undefined ? madeMs : Date.parse(schedule.anchor);
  const first = clock.shown[(firstMs - clock.fromMs) / MINUTE_MS]!;
  const step = Number(interval) * DAY_MINUTES;
  const names = (minute: number) => {
    const number = (minute - first) / step;
    return Number.isInteger(number) && number >= 0 && (count === undefined || number < Number(count));
  };
  return placeTimes(names, clock, toChanges(schedule));
}

function createExclusion(exclude: Exclusions | undefined, clock: Clock): (ms: number) => boolean {
  if (!exclude) return () => false;
  const namesTime = exclude.cron === undefined ? () => false : createMatcher(exclude.cron);
  return (ms) => {
    const minute = clock.shown[Math.floor((ms - clock.fromMs) / MINUTE_MS)]!;
    const date = new Date(minute * MINUTE_MS).toISOString().slice(0, 10);
    return exclude.dates?.includes(date) || namesTime(minute);
  };
}
