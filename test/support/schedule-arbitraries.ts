/** Random schedules around changes of clocks. */
import fc, { type Arbitrary } from "fast-check";
import { CATCH_UP_POLICIES, type CatchUp } from "../../core/domain/catch-up.ts";
import { GAPS, REPEATS } from "../../core/domain/schedule/local-times.ts";
import type { RepeatingSchedule } from "../../core/domain/schedule/schedule.ts";
import { type Clock, readClock } from "./cron-oracle.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export interface Span {
  zone: string;
  /** The zone by the minute, three days on either side of its change; the outermost day on each side is not judged. */
  clock: Clock;
}

/** Changes of an hour and of half an hour, at night, at midnight, of two hours at once; and a zone without any. */
const CHANGES = [
  ["Europe/Rome", "2026-03-29T01:00Z"],
  ["Europe/Rome", "2026-10-25T01:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T15:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T15:30Z"],
  ["America/Nuuk", "2027-03-28T01:00Z"],
  ["Atlantic/Azores", "2026-10-25T01:00Z"],
  ["America/Havana", "2026-11-01T05:00Z"],
  ["Antarctica/Troll", "2026-10-25T01:00Z"],
  ["Asia/Kathmandu", "2026-06-10T12:00Z"],
] as const;

const spans = new Map<string, Span>();

/** What was read of a clock is kept. */
function toSpan([zone, at]: (typeof CHANGES)[number]): Span {
  const name = `${zone} ${at}`;
  const changeMs = Date.parse(at);
  const span = spans.get(name) ?? {
    zone,
    clock: readClock(zone, changeMs - 3 * DAY_MS, changeMs + 3 * DAY_MS),
  };
  spans.set(name, span);
  return span;
}

/** Shown by its name where a property breaks. */
export const anySpan: Arbitrary<Span> = fc
  .constantFrom(...CHANGES)
  .map((change) => Object.assign(toSpan(change), { [fc.toStringMethod]: () => change.join(" ") }));

export const romeInSpring = toSpan(CHANGES[0]);

/** Whole minutes within what is judged. */
export const anyMinute = ({ clock: { fromMs, toMs } }: Span): Arbitrary<number> =>
  fc
    .integer({ min: 0, max: (toMs - fromMs - 2 * DAY_MS) / MINUTE_MS - 1 })
    .map((minute) => fromMs + DAY_MS + minute * MINUTE_MS);

const within = (min: number, max: number) => fc.integer({ min, max });
const list = (min: number, max: number) =>
  fc
    .uniqueArray(within(min, max), { minLength: 1, maxLength: 3 })
    .map((values) => values.sort((one, other) => one - other).join(","));
const range = (min: number, max: number) =>
  fc
    .tuple(within(min, max), within(min, max))
    .map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`);
const field = (min: number, max: number): Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: list(min, max) },
    { weight: 1, arbitrary: range(min, max) },
    { weight: 2, arbitrary: within(2, max >> 1).map((step) => `*/${step}`) },
  );
const star = fc.constant("*");

/** Five fields. */
export const anyCron: Arbitrary<string> = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: field(0, 59) }, { weight: 1, arbitrary: star }),
    fc.oneof({ weight: 5, arbitrary: field(0, 23) }, { weight: 2, arbitrary: star }),
    fc.oneof(
      { weight: 6, arbitrary: star },
      { weight: 1, arbitrary: fc.oneof(list(1, 28), fc.constant("L")) },
    ),
    star,
    fc.oneof({ weight: 5, arbitrary: star }, { weight: 1, arbitrary: list(0, 6) }),
  )
  .map((fields) => fields.join(" "));

const toIso = (ms: number) => new Date(ms).toISOString();
const optional = <T>(arbitrary: Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

/** Without keys that are undefined. */
const compact = <T extends object>(arbitrary: Arbitrary<{ [Key in keyof T]: T[Key] | undefined }>) =>
  arbitrary.map(
    (given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T,
  );

function anyExclusion(span: Span) {
  const dates = fc.array(
    anyMinute(span).map((ms) => toIso(ms).slice(0, 10)),
    { minLength: 1, maxLength: 2 },
  );
  return compact(fc.record({ dates: optional(dates), cron: optional(anyCron) }));
}

const changes = { gap: optional(fc.constantFrom(...GAPS)), repeat: optional(fc.constantFrom(...REPEATS)) };

/** All that a schedule may say, but for `maxRuns` and `jitter`, which do not name instants. */
export function anySchedule(span: Span): Arbitrary<RepeatingSchedule> {
  const minute = anyMinute(span).map(toIso);
  const bounds = {
    startAt: optional(minute),
    endAt: optional(minute),
    exclude: optional(anyExclusion(span)),
  };
  const timezone = fc.constant(span.zone);
  const every = fc.record({
    ...bounds,
    ...{ kind: fc.constant("every"), everyMs: within(1, 400).map((count) => count * 23_000) },
    ...{ anchor: optional(minute), timezone },
  });
  const cron = fc.record({
    ...{ ...bounds, ...changes, kind: fc.constant("cron"), timezone },
    expression: fc.oneof(anyCron, fc.array(anyCron, { minLength: 1, maxLength: 3 })),
  });
  const early = within(0, DAY_MS / MINUTE_MS).map((count) =>
    toIso(span.clock.fromMs + DAY_MS + count * MINUTE_MS),
  );
  const rrule = fc.record({
    ...{ ...bounds, ...changes, kind: fc.constant("rrule"), timezone, anchor: early },
    rule: fc
      .tuple(within(1, 3), optional(within(1, 4)))
      .map(([interval, count]) => `FREQ=DAILY;INTERVAL=${interval}${count ? `;COUNT=${count}` : ""}`),
  });
  return compact<RepeatingSchedule>(
    fc.oneof(
      { weight: 2, arbitrary: every },
      { weight: 5, arbitrary: cron },
      { weight: 1, arbitrary: rrule },
    ) as never,
  );
}

export const anyCatchUp: Arbitrary<CatchUp> = fc.record({
  policy: fc.constantFrom(...CATCH_UP_POLICIES),
  windowMs: fc.option(within(1, 300).map((minutes) => minutes * MINUTE_MS)),
  max: within(1, 20),
});
