/**
 * The local times of a recurrence rule. The library finds days, or the times of a rule by hours and less, in a calendar
 * without a zone, within a bound on its steps; hours, dates that are left out or added, COUNT and UNTIL are ours.
 */
import { RRuleTemporal } from "rrule-temporal";
import { DAY_MS, dayOf, SECOND_MS } from "./civil.ts";
import {
  type ClockChanges,
  EVERY_INSTANT,
  InstantNotFoundError,
  type LocalTimes,
  nextInstant,
} from "./local-times.ts";
import { type RruleText, type RruleTime, readRruleText, SUBDAILY } from "./rrule-text.ts";
import { offsetAt } from "./zone.ts";

/** Periods of the rule without an instant: years of a yearly one. */
const MAX_ITERATIONS = 500;
const MAX_KEPT = 1_000;

interface OpenRule {
  times: LocalTimes;
  /** By hours or less: like a cron whose hour field begins with a star. */
  isSubdaily: boolean;
}

const kept = new Map<string, OpenRule>();

/** The first instant after `afterMs`; null: there is none. Throws an `InstantNotFoundError`. */
export function nextRrule(
  rule: string,
  timezone: string,
  startMs: number,
  afterMs: number,
  changes: ClockChanges,
): number | null {
  const { times, isSubdaily } = openRule(rule, timezone, startMs);
  return nextInstant(times, timezone, isSubdaily ? EVERY_INSTANT : changes, afterMs);
}

function openRule(rule: string, timezone: string, startMs: number): OpenRule {
  const key = `${rule}\n${timezone}\n${startMs}`;
  const known = kept.get(key);
  if (known) return known;
  const text = readRruleText(rule);
  const startLocalMs = Math.floor((startMs + offsetAt(timezone, startMs)) / SECOND_MS) * SECOND_MS;
  const opened = {
    times: toLocalTimes(text, startLocalMs, timezone),
    isSubdaily: SUBDAILY.includes(text.frequency),
  };
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(key, opened);
  return opened;
}

function toLocalTimes(text: RruleText, startMs: number, timezone: string): LocalTimes {
  const toLocal = ({ ms, isUtc }: RruleTime) => (isUtc ? ms + offsetAt(timezone, ms) : ms);
  const endless = SUBDAILY.includes(text.frequency)
    ? searchRule(text.rule, startMs)
    : nameTimes(text, startMs);
  const { count, until } = text;
  const named = count === undefined ? endless : takeFirst(endless, startMs, count);
  const untilMs = until ? toLocal(until) + (until.isDay ? DAY_MS - 1 : 0) : Infinity;
  const excluded = new Set(text.excluded.filter(({ isDay }) => !isDay).map(toLocal));
  const excludedDays = new Set(text.excluded.filter(({ isDay }) => isDay).map(({ ms }) => dayOf(ms)));
  const added = text.added.map(toLocal).sort((one, other) => one - other);
  return {
    next(fromMs) {
      // Each turn passes one date that is left out: there are few.
      for (let from = fromMs; ; ) {
        const byRule = named.next(Math.max(from, startMs));
        const byDate = added.find((ms) => ms >= from) ?? null;
        const first = Math.min(byRule !== null && byRule <= untilMs ? byRule : Infinity, byDate ?? Infinity);
        if (first === Infinity) return null;
        if (!excluded.has(first) && !excludedDays.has(dayOf(first))) return first;
        from = first + 1;
      }
    },
  };
}

/** The times of the days that the rule finds: those that it names, else that of its start. */
function nameTimes({ rule, times }: RruleText, startMs: number): LocalTimes {
  const start = new Date(startMs);
  const { hours = [start.getUTCHours()], minutes = [start.getUTCMinutes()] } = times;
  const { seconds = [start.getUTCSeconds()] } = times;
  const ofDay = hours.flatMap((hour) =>
    minutes.flatMap((minute) => seconds.map((second) => ((hour * 60 + minute) * 60 + second) * SECOND_MS)),
  );
  const days = searchRule(rule, dayOf(startMs) * DAY_MS);
  return {
    next(fromMs) {
      const today = dayOf(fromMs) * DAY_MS;
      const day = days.next(today);
      if (day === null) return null;
      if (day > today) return day + ofDay[0]!;
      const later = ofDay.find((ms) => today + ms >= fromMs);
      if (later !== undefined) return today + later;
      const nextDay = days.next(today + DAY_MS);
      return nextDay === null ? null : nextDay + ofDay[0]!;
    },
  };
}

/** The library would count from the start at each search, and take what it passes for steps without an instant. */
function takeFirst(times: LocalTimes, startMs: number, count: number): LocalTimes {
  const found: number[] = [];
  let isComplete = false;
  return {
    next(fromMs) {
      while (!isComplete && (found.at(-1) ?? -Infinity) < fromMs) {
        const next = times.next(Math.max(startMs, (found.at(-1) ?? -Infinity) + 1));
        if (next !== null) found.push(next);
        isComplete = next === null || found.length === count;
      }
      return found.find((ms) => ms >= fromMs) ?? null;
    },
  };
}

function searchRule(rule: string, startMs: number): LocalTimes {
  const start = new Date(startMs).toISOString().slice(0, 19).replace(/[-:]/g, "");
  const search = new RRuleTemporal({
    rruleString: `DTSTART;TZID=UTC:${start}\nRRULE:${rule}`,
    maxIterations: MAX_ITERATIONS,
  });
  return {
    next(fromMs) {
      try {
        return search.next(new Date(fromMs), true)?.epochMilliseconds ?? null;
      } catch (error) {
        throw new InstantNotFoundError("the rule finds no instant within the bounds of its search", {
          cause: error,
        });
      }
    },
  };
}
