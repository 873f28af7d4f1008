/** Chapter "Schedules". */
import assert from "node:assert/strict";
import { assertProblem } from "../../../api/testing/problem.ts";
import { MAX_CALENDAR_DATES } from "../../../core/contracts/calendar.ts";
import { MAX_ADVANCE_MS } from "../../../core/contracts/clock.ts";
import { MAX_DURATION_MS } from "../../../core/contracts/common.ts";
import { DENSITY_SLICES, MAX_WITHIN_MS } from "../../../core/contracts/occurrence.ts";
import {
  MAX_EXCLUDED_DATES,
  MAX_EXPRESSIONS,
  MAX_JITTER_MS,
} from "../../../core/contracts/schedule-fields.ts";
import { MISSED_AFTER_MS } from "../../../core/domain/catch-up.ts";
import { nextOccurrence } from "../../../core/domain/schedule/occurrences.ts";
import { MIN_EVERY_MS, ONCE_GRACE_MS, type Schedule } from "../../../core/domain/schedule/schedule.ts";
import { MAX_COUNTED } from "../../../core/domain/skipped.ts";
import { formatDuration, parseDuration } from "../../../core/duration.ts";
import type { JsonObject } from "../../../core/json.ts";
import { MAX_SEARCH_MS } from "../../../core/search-turns.ts";
import { MAX_CALENDARS } from "../../../core/store/calendars/calendars.ts";
import { MAX_TASKS as MAX_DENSITY_TASKS } from "../../../core/store/tasks/count-upcoming.ts";
import { bounded, HTTP_TASK, held, n, type Statement, statement } from "./statement.ts";

const DAY_MS = 86_400_000;
const CALENDARS = "api/calendars/calendars.test.ts";

const withSchedule = (schedule: JsonObject) => ({ schedule });
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const cronIn = (expression: string, timezone: string): Schedule => ({ kind: "cron", expression, timezone });

/** The local times at which an expression fires on a day in its zone, with the offset of each. */
function timesOn(day: string, expression: string, timezone: string): string[] {
  const schedule = cronIn(expression, timezone);
  const local = new Intl.DateTimeFormat("sv-SE", {
    ...{ timeZone: timezone, dateStyle: "short", timeStyle: "short" },
  });
  const times: string[] = [];
  let at: Date | null = new Date(Date.parse(`${day}T00:00:00Z`) - DAY_MS);
  for (;;) {
    at = nextOccurrence(schedule, at!, at!);
    const [date, time] = local.format(at!).split(" ");
    if (date! > day) return times;
    if (date === day) times.push(time!);
  }
}

const CHANGES = [
  { timezone: "Europe/Rome", forward: "2026-03-29", back: "2026-10-25" },
  { timezone: "America/New_York", forward: "2026-03-08", back: "2026-11-01" },
];
const onForward = (expression: string) =>
  CHANGES.map(({ timezone, forward }) => timesOn(forward, expression, timezone));
const onBack = (expression: string) =>
  CHANGES.map(({ timezone, back }) => timesOn(back, expression, timezone));
const inBoth = (times: string[]) => [times, times];

const WATCH = "core/store/expectations/watch.test.ts";
const UNFIRED = "core/store/expectations/unfired.test.ts";

export const SCHEDULES: Statement[] = [
  statement(
    `${DENSITY_SLICES} slices of the time ahead, 1 minute to ${MAX_WITHIN_MS / DAY_MS} days of it`,
    async ({ tenant }) => {
      const get = (within: string) => tenant.call("GET", `/v1/upcoming/density?within=${within}`);
      for (const within of ["59s", "32d"]) assertProblem(await get(within), 422, "invalid_input", ["within"]);
      for (const within of ["1m", "31d"]) assert.equal((await get(within)).body.items.length, DENSITY_SLICES);
    },
  ),
  held(`of very many tasks it counts the next ${n(MAX_DENSITY_TASKS)}`, [
    "core/store/tasks/count-upcoming.test.ts",
    "a task that fires too often is taken to go on as it began",
  ]),
  statement(
    `once, at an RFC 3339 instant, at most ${ONCE_GRACE_MS / 1_000} seconds in the past`,
    async (world) => {
      const refuses = [withSchedule({ at: ago(ONCE_GRACE_MS + 1_000) })];
      const takes = [withSchedule({ at: "2036-12-01T09:00:00+01:00" }), withSchedule({ at: ago(1_000) })];
      await bounded(HTTP_TASK, { field: "schedule.at", takes, refuses })(world);
    },
  ),
  statement(`at least ${MIN_EVERY_MS / 1_000} s; the first time after one interval`, async (world) => {
    const takes = [withSchedule({ every: `${MIN_EVERY_MS}ms` })];
    const refuses = [withSchedule({ every: `${MIN_EVERY_MS - 1}ms` })];
    await bounded(HTTP_TASK, { field: "schedule.every", takes, refuses })(world);
    const { items } = (await world.tenant.call("GET", "/v1/tasks")).body;
    assert.equal(Date.parse(items[0].nextRunAt) - Date.parse(items[0].createdAt), MIN_EVERY_MS);
  }),
  statement(`with a list of expressions, at most ${MAX_EXPRESSIONS}, by any of them`, async (world) => {
    const list = (length: number) => withSchedule({ cron: Array<string>(length).fill("0 9 * * *") });
    const refuses = [list(MAX_EXPRESSIONS + 1)];
    await bounded(HTTP_TASK, { field: "schedule.cron", takes: [list(MAX_EXPRESSIONS)], refuses })(world);
  }),
  statement(`exclude (dates, at most ${n(MAX_EXCLUDED_DATES)}, another cron,`, async (world) => {
    const days = (count: number) =>
      Array.from({ length: count }, (_none, day) => new Date(day * DAY_MS).toISOString().slice(0, 10));
    const without = (count: number) => withSchedule({ every: "1h", exclude: { dates: days(count) } });
    const refuses = [without(MAX_EXCLUDED_DATES + 1)];
    await bounded(HTTP_TASK, {
      field: "schedule.exclude.dates",
      takes: [without(MAX_EXCLUDED_DATES)],
      refuses,
    })(world);
  }),
  statement(
    `jitter, a window of at most ${MAX_JITTER_MS / DAY_MS} day in which the task fires`,
    async (world) => {
      const window = (ms: number) => withSchedule({ every: "1h", jitter: `${ms}ms` });
      const refuses = [window(MAX_JITTER_MS + 1)];
      await bounded(HTTP_TASK, { field: "schedule.jitter", takes: [window(MAX_JITTER_MS)], refuses })(world);
    },
  ),
  statement("(IANA name, default UTC)", async ({ tenant }) => {
    const body = { ...HTTP_TASK, schedule: { cron: "0 9 * * *" } };
    const { schedule } = (await tenant.call("POST", "/v1/tasks", { body })).body;
    assert.deepEqual(schedule, { cron: "0 9 * * *", timezone: "UTC" });
  }),
  statement(
    'Durations** are "500ms", "30s", "10m", "2h", "1d", "1w" (decimals allowed), several together ("1h30m") or ISO 8601 ("PT1H30M", "P2DT3S", "P1W")',
    () => {
      const forms = ["500ms", "30s", "10m", "2h", "1d", "1w", "1.5h", "1h30m", "PT1H30M", "P2DT3S", "P1W"];
      const ms = [
        500,
        30_000,
        600_000,
        7_200_000,
        DAY_MS,
        7 * DAY_MS,
        5_400_000,
        5_400_000,
        5_400_000,
        2 * DAY_MS + 3_000,
        7 * DAY_MS,
      ];
      assert.deepEqual(forms.map(parseDuration), ms);
    },
  ),
  statement(
    `at most ${n(MAX_DURATION_MS / DAY_MS)} days. Years and months have no fixed length`,
    async (world) => {
      const takes = [withSchedule({ delay: `${MAX_DURATION_MS}ms` })];
      const refuses = [`${MAX_DURATION_MS + 1}ms`, "P1Y", "P1M"].map((delay) => withSchedule({ delay }));
      await bounded(HTTP_TASK, { field: "schedule.delay", takes, refuses })(world);
    },
  ),
  statement('Responses use the shortest exact form: "90s", "1h"', () =>
    assert.deepEqual([90_000, 3_600_000].map(formatDuration), ["90s", "1h"]),
  ),
  statement("(0 and 7 are Sunday; names work, in full or as three letters)", () => {
    const sunday = new Date("2026-11-29T00:00:00Z");
    for (const day of ["0", "7", "SUN", "sun", "Sunday"]) {
      const next = nextOccurrence(cronIn(`0 0 * * ${day}`, "UTC"), sunday, new Date(sunday.getTime() - 1));
      assert.deepEqual(next, sunday, day);
    }
  }),
  statement("# (1#2: the second Monday)", () => {
    const after = new Date("2026-11-01T00:00:00Z");
    assert.deepEqual(
      nextOccurrence(cronIn("0 0 * * 1#2", "UTC"), after, after),
      new Date("2026-11-09T00:00:00Z"),
    );
  }),
  held(
    "lists, ranges (also across the end: 22-2), steps, L, L-2, 15W, LW, 5L, # (1#2: the second Monday)",
    ["core/domain/schedule/cron-fields.test.ts", "ranges go round"],
    ["core/domain/schedule/cron-fields.test.ts", "L is the month's last day"],
    ["core/domain/schedule/cron-fields.test.ts", "15W is the weekday nearest"],
    ["core/domain/schedule/cron-fields.test.ts", "1#2 is the second Monday, 5L the last Friday"],
  ),
  held(
    `after ${MAX_SEARCH_MS} ms the response has the instants found so far`,
    ["api/schedules/preview.test.ts", `a preview shows what it finds in ${MAX_SEARCH_MS} ms of search`],
    ["core/store/tasks/upcoming.test.ts", "a task's next instants are those that are found in time"],
  ),
  statement("| clocks go forward, 02:00 → 03:00 | clocks go back, 03:00 → 02:00 |", () => {
    // Rome's clock does so; New York's goes back at 02:00 to 01:00, and an hour there comes twice all the same.
    assert.deepEqual(timesOn("2026-03-29", "0 * * * *", "Europe/Rome").slice(0, 4), [
      "00:00",
      "01:00",
      "03:00",
      "04:00",
    ]);
    assert.deepEqual(timesOn("2026-10-25", "0 * * * *", "Europe/Rome").slice(0, 4), [
      "00:00",
      "01:00",
      "02:00",
      "02:00",
    ]);
  }),
  statement("once, at 03:30 | once, at the first 02:30 |", () => {
    assert.deepEqual(onForward("30 2 * * *"), inBoth(["03:30"]));
    assert.deepEqual(onBack("30 2 * * *"), inBoth(["02:30"]));
    const after = new Date("2026-10-24T12:00:00Z");
    const first = nextOccurrence(cronIn("30 2 * * *", "Europe/Rome"), after, after);
    assert.deepEqual(first, new Date("2026-10-25T00:30:00Z"));
  }),
  statement("every 30 minutes, without a gap | every 30 minutes, through both hours |", () => {
    for (const { timezone, forward, back } of CHANGES)
      for (const day of [forward, back]) {
        let at = new Date(`${day}T00:00:00Z`);
        for (let step = 0; step < 40; step += 1) {
          const next = nextOccurrence(cronIn("*/30 * * * *", timezone), at, at)!;
          assert.equal(next.getTime() - at.getTime(), 1_800_000, `${timezone}, ${at.toISOString()}`);
          at = next;
        }
      }
  }),
  statement("four times, from 03:00 to 03:45 | four times, in the first of the two hours |", () => {
    assert.deepEqual(onForward("*/15 2 * * *"), inBoth(["03:00", "03:15", "03:30", "03:45"]));
    assert.deepEqual(timesOn("2026-10-25", "*/15 2 * * *", "Europe/Rome"), [
      "02:00",
      "02:15",
      "02:30",
      "02:45",
    ]);
  }),
  held(`those found more than ${MISSED_AFTER_MS / 1_000} seconds late`, [
    "core/domain/catch-up.test.ts",
    "an instant that is staged in time fires, whatever the catch-up",
  ]),
  statement(
    '| {"within": "2h"} | this long after its scheduledFor; at least 1 ms |',
    bounded(HTTP_TASK, {
      field: "expect.within",
      takes: [{ expect: { within: "1ms" } }, { expect: { by: "23:59" } }, { expect: null }],
      refuses: [{ expect: { within: "0ms" } }],
    }),
  ),
  held('| {"by": "08:00"} | when the clocks of the schedule\'s timezone next show that time', [
    "core/domain/expectation.test.ts",
    "a time of day is the next one after the instant, by the clocks of the schedule",
  ]),
  held('If it has not, this is reported once: the run has "expectation": "missed"', [
    WATCH,
    "a run that does not is told of once, whoever looks and however often, with all that follows",
  ]),
  held(
    `report an instant that is more than ${MISSED_AFTER_MS / 1_000} seconds past and has no run`,
    [
      UNFIRED,
      "tasks that are paused, cancelled, not overdue, being staged, or that expect nothing are not told of",
    ],
    [UNFIRED, "its run, once there is one, is late and is not told of again"],
  ),
  held("While runs of the task keep overrunning, only the first one is reported.", [
    WATCH,
    "of overruns in a row the first is told, with wait and run time side by side",
  ]),
  statement(
    `A calendar is a named set of days of the namespace, at most ${n(MAX_CALENDAR_DATES)}`,
    async (world) => {
      const put = (count: number) =>
        world.tenant.call("PUT", "/v1/calendars/days", { body: { dates: Array(count).fill("2026-12-25") } });
      assertProblem(await put(MAX_CALENDAR_DATES + 1), 422, "invalid_input", ["dates"]);
      assert.equal((await put(MAX_CALENDAR_DATES)).status, 201);
    },
  ),
  held("PUT returns 201 or 200 with {name, dates, createdAt, updatedAt}", [
    CALENDARS,
    "a calendar is put, read, listed and removed",
  ]),
  held(`a namespace has at most ${MAX_CALENDARS} (409 too_many_calendars)`, [
    "core/store/calendars/change.test.ts",
    "a namespace has at most",
  ]),
  held("A task that names a calendar which does not exist is a 422 unknown_calendar that names the field", [
    CALENDARS,
    "its calendar is looked up, and its days do not fire",
  ]),
  held("If dates leave a task without instants, it is a 422 when the task is created", [
    "core/store/calendars/change.test.ts",
    "that is not there, or that leaves it no instant",
  ]),
  held("A calendar that tasks name cannot be removed: 409 calendar_in_use, which names some of them", [
    CALENDARS,
    "its calendar is looked up, and its days do not fire",
  ]),
  held(
    `count (up to ${n(MAX_COUNTED)} of an outage or a pause)`,
    ["core/domain/skipped.test.ts", "counting stops at its bound"],
    ["core/store/tasks/states.test.ts", "are one skipped run that says which"],
    ["core/store/runs/stage.test.ts", "one late run of the newest and one skipped run of the others"],
  ),
  held("Anywhere else both are a 404 clock_not_virtual", [
    "api/clock/routes.test.ts",
    "without a clock for tests there is none",
  ]),
  held(`it leads at most ${n(MAX_ADVANCE_MS / DAY_MS)} days ahead and never back`, [
    "api/clock/routes.test.ts",
    "what cannot be is refused by its field, and moves nothing",
  ]),
  held("An advance to the clock's current time is a 200", [
    "test/system/virtual-clock.test.ts",
    "what lies before the clock is refused",
  ]),
  held("another one is a 409 clock_advancing", [
    "api/clock/routes.test.ts",
    "one advance at a time; an API that stops says where the clock stands",
  ]),
  held("an API that stops does so too, with a 503 clock_stopped", [
    "api/clock/routes.test.ts",
    "one advance at a time; an API that stops says where the clock stands",
  ]),
];
