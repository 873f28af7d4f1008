import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instantsOf, isExcluded, readCalendars } from "./instants.ts";
import { sampleAnswer, sampleSchedule, TASK } from "./sample-evidence.ts";

/** Given at 2,000; its anchor is there. */
const given = (schedule: Record<string, unknown>) => sampleSchedule(schedule).get(TASK)![0]!;
const at = (ms: number) => new Date(ms).toISOString();

describe("the instants that the oracle expects after 2,000 and before 12,000", () => {
  const CASES: Record<string, [schedule: Record<string, unknown>, instants: number[]]> = {
    "an interval from when it was made": [{ kind: "every", everyMs: 4_000 }, [6_000, 10_000]],
    "an interval from its anchor in the past": [
      { kind: "every", everyMs: 4_000, anchor: at(1_000) },
      [5_000, 9_000],
    ],
    "an interval from its anchor to come": [
      { kind: "every", everyMs: 4_000, anchor: at(7_500) },
      [7_500, 11_500],
    ],
    "an interval from its start": [
      { kind: "every", everyMs: 4_000, startAt: at(3_000) },
      [3_000, 7_000, 11_000],
    ],
    "a cron expression": [{ kind: "cron", expression: "*/5 * * * * *" }, [5_000, 10_000]],
    "a rule": [{ kind: "rrule", rule: "FREQ=SECONDLY;INTERVAL=3" }, [5_000, 8_000, 11_000]],
    "what is not plain to see": [{ kind: "cron", expression: "0 9 * * *" }, []],
  };
  for (const [what, [schedule, instants]] of Object.entries(CASES))
    it(`are those of ${what}`, () => {
      assert.deepEqual([...instantsOf(given(schedule), 2_000, 12_000)], instants);
    });
});

describe("what is excluded", () => {
  const put = (firstAt: number, dates: string[], more: object = {}) =>
    sampleAnswer({
      ...{ act: "calendar", method: "PUT", path: "/v1/calendars/closed", status: 200, answer: {} },
      ...{ body: { dates }, firstAt, at: firstAt + 100 },
      ...more,
    });
  const closing = given({ kind: "every", everyMs: 1_000, exclude: { calendar: "closed" } });
  const [TODAY, NEVER] = [["1970-01-01"], [] as string[]];
  const seen = (instant: number, ...answers: ReturnType<typeof put>[]) =>
    isExcluded(closing, instant, readCalendars(answers));

  it("goes by what the calendar had been given last", () => {
    const changes = [put(1_000, TODAY), put(5_000, NEVER)];
    assert.deepEqual(
      [500, 3_000, 6_000].map((instant) => seen(instant, ...changes)),
      [false, true, false],
    );
  });

  it("is unknown while the calendar is being changed, and where two changes met", () => {
    assert.equal(seen(1_050, put(1_000, TODAY)), undefined);
    assert.equal(seen(9_000, put(1_000, TODAY, { at: 6_000 }), put(5_000, NEVER)), undefined);
  });

  it("is unknown while a change may come again that was sent twice", () => {
    const changes = [put(1_000, TODAY, { tries: 2 }), put(5_000, NEVER)];
    assert.deepEqual([seen(9_000, ...changes), seen(40_000, ...changes)], [undefined, false]);
  });

  it("are whole seconds of an expression", () => {
    const sieve = given({ kind: "cron", expression: "*/1 * * * * *", exclude: { cron: "*/4 * * * * *" } });
    const none = readCalendars([]);
    assert.deepEqual(
      [8_000, 9_000].map((instant) => isExcluded(sieve, instant, none)),
      [true, false],
    );
  });
});
