import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseToldOverruns, dueOf, judgeWatch, lookAtOf, timesOf, type WatchedRun } from "./expectation.ts";
import type { Schedule } from "./schedule/schedule.ts";

const at = (text: string) => new Date(`2026-03-01T${text}Z`);
const daily = (timezone: string): Schedule => ({ kind: "cron", expression: "0 2 * * *", timezone });
const dueBy = (by: string, schedule: Schedule, scheduledFor: string) =>
  dueOf({ by }, schedule, new Date(scheduledFor)).toISOString();

test("within counts from the nominal instant", () => {
  assert.deepEqual(dueOf({ withinMs: 7_200_000 }, daily("Europe/Rome"), at("01:00:00")), at("03:00:00"));
});

test("a time of day is the next one after the instant, by the clocks of the schedule", () => {
  const rome = daily("Europe/Rome");
  assert.equal(dueBy("08:00", rome, "2026-02-03T01:00:00Z"), "2026-02-03T07:00:00.000Z");
  // Strictly after: at the time itself, the next day's.
  assert.equal(dueBy("02:00", rome, "2026-02-03T01:00:00Z"), "2026-02-04T01:00:00.000Z");
  assert.equal(dueBy("01:59", rome, "2026-02-03T01:00:00Z"), "2026-02-04T00:59:00.000Z");
  assert.equal(dueBy("00:00", rome, "2026-12-31T01:00:00Z"), "2026-12-31T23:00:00.000Z");
  const half: Schedule = { kind: "every", everyMs: 1_000, timezone: "Asia/Kolkata" };
  assert.equal(dueBy("08:00", half, "2026-02-03T01:00:00Z"), "2026-02-03T02:30:00.000Z");
  const local: Schedule = { kind: "once", at: "", local: { at: "", timezone: "America/New_York" } };
  assert.equal(dueBy("08:00", local, "2026-02-03T01:00:00Z"), "2026-02-03T13:00:00.000Z");
  for (const schedule of [
    { kind: "now" } as const,
    { kind: "once", at: "" } as const,
    { kind: "every", everyMs: 1_000 } as const,
    daily("No/Such_Zone"),
  ])
    assert.equal(dueBy("08:00", schedule, "2026-02-03T01:00:00Z"), "2026-02-03T08:00:00.000Z");
});

test("a time that the clock jumps over comes as much later, of one that comes twice the first holds", () => {
  const rome = daily("Europe/Rome");
  assert.equal(dueBy("02:30", rome, "2026-03-28T20:00:00Z"), "2026-03-29T01:30:00.000Z");
  assert.equal(dueBy("02:30", rome, "2026-10-24T20:00:00Z"), "2026-10-25T00:30:00.000Z");
  // After the first of the two it is the next day's.
  assert.equal(dueBy("02:30", rome, "2026-10-25T00:45:00Z"), "2026-10-26T01:30:00.000Z");
});

const OPEN: WatchedRun = { state: "open", endedAt: null };
const ended = (state: WatchedRun["state"], time: string): WatchedRun => ({ state, endedAt: at(time) });
const [DUE, NEXT] = [at("10:00:00"), at("09:00:00")];
const verdict = (run: WatchedRun, now: string, watch: Partial<{ dueAt: Date; nextAt: Date }> = {}) => {
  const { isMissed, cadence, left } = judgeWatch({ dueAt: DUE, nextAt: null, ...watch }, run, at(now));
  return [isMissed, cadence, lookAtOf(left)];
};

test("a run must have succeeded by then, whenever somebody looks", () => {
  assert.deepEqual(verdict(OPEN, "09:59:59"), [false, null, DUE]);
  assert.deepEqual(verdict(OPEN, "10:00:00"), [true, null, null]);
  assert.deepEqual(verdict(ended("succeeded", "10:00:00"), "12:00:00"), [false, null, null]);
  assert.deepEqual(verdict(ended("succeeded", "10:00:01"), "12:00:00"), [true, null, null]);
  assert.deepEqual(verdict(ended("succeeded", "08:00:00"), "08:00:01"), [false, null, null]);
  // A dead letter may be redriven in time, and the others are told when it is due as well.
  for (const state of ["failed", "skipped", "stopped"] as const) {
    assert.deepEqual(verdict(ended(state, "08:00:00"), "09:59:59"), [false, null, DUE]);
    assert.deepEqual(verdict(ended(state, "08:00:00"), "10:00:00"), [true, null, null]);
  }
});

test("a run overruns where it is open at the next instant, or ended after it", () => {
  const nextAt = NEXT;
  assert.deepEqual(verdict(OPEN, "08:59:59", { nextAt }), [false, null, NEXT]);
  assert.deepEqual(verdict(OPEN, "09:00:00", { nextAt }), [false, "overran", DUE]);
  assert.deepEqual(verdict(ended("succeeded", "09:00:00"), "09:00:00", { nextAt }), [false, "kept", null]);
  assert.deepEqual(verdict(ended("succeeded", "09:00:01"), "09:30:00", { nextAt }), [false, "overran", null]);
  assert.deepEqual(verdict(ended("failed", "08:00:00"), "09:00:00", { nextAt }), [false, "kept", DUE]);
  assert.deepEqual(verdict(ended("failed", "11:00:00"), "12:00:00", { nextAt }), [true, "overran", null]);
  // What did not run to its end says nothing of how long runs take.
  assert.deepEqual(verdict(ended("skipped", "08:00:00"), "09:00:00", { nextAt }), [false, null, DUE]);
  assert.deepEqual(verdict(ended("stopped", "08:00:00"), "09:00:00", { nextAt }), [false, null, DUE]);
});

test("what is due before the next instant leaves the cadence to be judged, and is told once", () => {
  const watch = { dueAt: NEXT, nextAt: DUE };
  const { isMissed, cadence, left } = judgeWatch(watch, OPEN, at("09:00:00"));
  assert.deepEqual([isMissed, cadence, left], [true, null, { dueAt: null, nextAt: DUE }]);
  assert.deepEqual(judgeWatch(left, OPEN, at("10:00:00")), {
    ...{ isMissed: false, cadence: "overran", left: { dueAt: null, nextAt: null } },
  });
});

test("of overruns in a row the first is told, and again once a run has kept its cadence", () => {
  const judged = (["overran", "overran", "kept", "overran"] as const).map((cadence, index) => ({
    ...{ taskId: "a", runId: `a${index}`, nextAt: at(`0${index}:00:00`), cadence },
  }));
  const other = { taskId: "b", runId: "b0", nextAt: at("00:00:00"), cadence: "overran" } as const;
  const first = chooseToldOverruns([...judged.toReversed(), other], new Set());
  assert.deepEqual(
    [[...first.told].sort(), [...first.overrunning].sort()],
    [
      ["a0", "a3", "b0"],
      ["a", "b"],
    ],
  );
  const later = chooseToldOverruns([judged[0]!, judged[2]!], new Set(["a"]));
  assert.deepEqual([[...later.told], [...later.overrunning]], [[], []]);
});

test("how long a run waited and ran", () => {
  const scheduledFor = at("08:00:00");
  const times = (startedAt: Date | null, endedAt: Date | null) =>
    timesOf({ scheduledFor, startedAt, endedAt }, at("09:00:00"));
  assert.deepEqual(times(null, null), { waitMs: 3_600_000, runMs: null });
  assert.deepEqual(times(at("08:00:10"), null), { waitMs: 10_000, runMs: 3_590_000 });
  assert.deepEqual(times(at("08:00:10"), at("08:00:15")), { waitMs: 10_000, runMs: 5_000 });
  assert.deepEqual(times(null, at("08:00:15")), { waitMs: 15_000, runMs: null });
});
