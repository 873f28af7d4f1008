import assert from "node:assert/strict";
import { test } from "node:test";
import { type CatchUp, decideDue, listNewest, MISSED_AFTER_MS } from "./catch-up.ts";
import { nextOccurrence } from "./schedule/occurrences.ts";
import type { Schedule } from "./schedule/schedule.ts";

const T0 = Date.parse("2026-03-01T00:00:00Z");
const at = (minutes: number) => new Date(T0 + minutes * 60_000);
const gridOf = (schedule: Schedule) => (after: Date) => nextOccurrence(schedule, at(0), after);
const minutely = gridOf({ kind: "every", everyMs: 60_000 });
const never = () => null;
const catchUp = (given: Partial<CatchUp>): CatchUp => ({
  ...{ policy: "latest", windowMs: null, max: 100 },
  ...given,
});
const missed = (count: number, first: number, last: number) => ({
  reason: "missed",
  count,
  firstAt: at(first).toISOString(),
  lastAt: at(last).toISOString(),
});

test("an instant that is staged in time fires, whatever the catch-up", () => {
  for (const policy of ["latest", "all", "none"] as const) {
    const decided = decideDue(minutely, at(5), at(5 - 1 / 60), catchUp({ policy }));
    assert.deepEqual(decided, { fires: [at(5)], inTurn: false, passedOver: undefined, nextRunAt: at(6) });
    const late = new Date(at(5).getTime() + MISSED_AFTER_MS);
    assert.deepEqual(decideDue(minutely, at(5), late, catchUp({ policy })).fires, [at(5)]);
  }
});

test("without a word, and as latest, the newest of all that was missed is one run", () => {
  for (const given of [null, catchUp({ policy: "latest" })])
    assert.deepEqual(decideDue(minutely, at(5), at(8.5), given), {
      fires: [at(8)],
      inTurn: false,
      passedOver: missed(3, 5, 7),
      nextRunAt: at(9),
    });
  assert.deepEqual(decideDue(never, at(5), at(9_000), null), {
    fires: [at(5)],
    inTurn: false,
    passedOver: undefined,
    nextRunAt: null,
  });
});

test("all makes the newest so many up, oldest first", () => {
  assert.deepEqual(decideDue(minutely, at(5), at(8.5), catchUp({ policy: "all" })), {
    fires: [at(5), at(6), at(7), at(8)],
    inTurn: true,
    passedOver: undefined,
    nextRunAt: at(9),
  });
  assert.deepEqual(decideDue(minutely, at(5), at(8.5), catchUp({ policy: "all", max: 2 })), {
    fires: [at(7), at(8)],
    inTurn: true,
    passedOver: missed(2, 5, 6),
    nextRunAt: at(9),
  });
});

test("none makes nothing up", () => {
  assert.deepEqual(decideDue(minutely, at(5), at(8.5), catchUp({ policy: "none" })), {
    fires: [],
    inTurn: false,
    passedOver: missed(4, 5, 8),
    nextRunAt: at(9),
  });
  const once = decideDue(never, at(5), at(8.5), catchUp({ policy: "none" }));
  assert.deepEqual(once, { fires: [], inTurn: false, passedOver: missed(1, 5, 5), nextRunAt: null });
});

test("what lies before the window is not made up for", () => {
  const windowMs = 2 * 60_000;
  assert.deepEqual(decideDue(minutely, at(5), at(10), catchUp({ policy: "all", windowMs })), {
    fires: [at(8), at(9), at(10)],
    inTurn: true,
    passedOver: missed(3, 5, 7),
    nextRunAt: at(11),
  });
  const daily = gridOf({ kind: "cron", expression: "0 0 * * *", timezone: "UTC" });
  assert.deepEqual(decideDue(daily, at(1_440), at(1_450), catchUp({ windowMs })), {
    fires: [],
    inTurn: false,
    passedOver: missed(1, 1_440, 1_440),
    nextRunAt: at(2_880),
  });
});

test("the newest instants are found among however many", () => {
  const everySecond = gridOf({ kind: "cron", expression: "* * * * * *", timezone: "UTC" });
  const year = 525_600;
  for (const most of [1, 3, 100]) {
    const newest = listNewest(everySecond, at(0), at(year), most);
    assert.equal(newest.length, most);
    assert.deepEqual([newest.at(-1), newest[0]], [at(year), at(year - (most - 1) / 60)]);
  }
  const mondays = gridOf({ kind: "cron", expression: "* * * * * 1", timezone: "UTC" });
  assert.deepEqual(listNewest(mondays, at(1_440), at(3 * 1_440), 2), [
    new Date(at(2_880).getTime() - 2_000),
    new Date(at(2_880).getTime() - 1_000),
  ]);
});
