/** Which instants schedules name, of those kinds where they are plain to see; the product is not asked. */
import { type GivenSchedule, isDone, type RecordedAnswer } from "./evidence.ts";

interface Grid {
  /** An instant of it, and the time between two. */
  base: number;
  stepMs: number;
  /** No instant lies before. */
  first: number;
}

/** Undefined: of other kinds. */
function gridOf({ schedule, anchorAt }: GivenSchedule): Grid | undefined {
  const { kind, everyMs, expression, rule } = schedule;
  const [anchor, startAt] = [toMs(schedule["anchor"]), toMs(schedule["startAt"])];
  if (kind === "every") {
    const stepMs = Number(everyMs);
    const base = anchor ?? startAt ?? anchorAt;
    // Counted from when it was made, the first comes an interval later.
    const first = anchor ?? startAt ?? anchorAt + stepMs;
    return { base, stepMs, first: Math.max(first, startAt ?? -Infinity) };
  }
  const seconds =
    /^\*\/(\d+) \* \* \* \* \*$/.exec(String(expression))?.[1] ??
    /^FREQ=SECONDLY;INTERVAL=(\d+)$/.exec(String(rule))?.[1];
  if (seconds === undefined) return undefined;
  const stepMs = Number(seconds) * 1_000;
  // A minute holds a whole number of steps of a cron, so the epoch is as good as any; a rule counts from its second.
  return { stepMs, base: kind === "cron" ? 0 : Math.floor(anchorAt / 1_000) * 1_000, first: -Infinity };
}

const toMs = (instant: unknown) => (instant === undefined ? undefined : Date.parse(String(instant)));

/** Those after `from` and before `until`, excluded ones too. */
export function* instantsOf(given: GivenSchedule, from: number, until: number): Iterable<number> {
  const grid = gridOf(given);
  if (!grid) return;
  const { base, stepMs, first } = grid;
  const steps = Math.ceil((Math.max(from, first - 1) - base) / stepMs);
  for (let instant = base + steps * stepMs; instant < until; instant += stepMs)
    if (instant > from && instant >= first) yield Math.round(instant);
}

interface Exclude {
  cron?: string;
  calendar?: string;
}

/** Whether a schedule excludes an instant; undefined: the calendar that it names was being changed just then. */
export function isExcluded(
  { schedule }: GivenSchedule,
  instant: number,
  calendars: CalendarHistory,
): boolean | undefined {
  const { cron, calendar } = (schedule["exclude"] ?? {}) as Exclude;
  const seconds = /^\*\/(\d+) \* \* \* \* \*$/.exec(cron ?? "")?.[1];
  if (seconds !== undefined) return Math.floor(instant / 1_000) % Number(seconds) === 0;
  return calendar === undefined ? false : calendars.isClosed(calendar, instant);
}

export interface CalendarHistory {
  isClosed(name: string, instant: number): boolean | undefined;
}

/** What the calendars held when, as far as answers tell. */
export function readCalendars(answers: readonly RecordedAnswer[]): CalendarHistory {
  const changes = Map.groupBy(
    answers.filter(({ path, status }) => path.startsWith("/v1/calendars/") && status < 300),
    ({ path }) => path.split("/")[3]!,
  );
  return {
    isClosed(name, instant) {
      const before = (changes.get(name) ?? []).filter(({ firstAt }) => firstAt <= instant);
      const last = before.toSorted((a, b) => a.at - b.at).at(-1);
      if (!last) return false;
      // Of two at once nobody knows which came last.
      const isClear = before.every(
        (each) => each === last || (each.at < last.firstAt && isDone(each, instant)),
      );
      if (!isClear || last.status === 0 || last.at >= instant) return undefined;
      return (last.body!["dates"] as string[]).includes(new Date(instant).toISOString().slice(0, 10));
    },
  };
}
