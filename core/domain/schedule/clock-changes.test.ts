/** What becomes of a cron's times where the clocks change: found wrong in the wild, each by its name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextCron } from "./cron.ts";
import type { ClockChanges } from "./local-times.ts";

/** The first `count` instants after `after`, without their empty fractions. */
function instants(
  expression: string,
  zone: string,
  after: string,
  count: number,
  changes?: ClockChanges,
): string[] {
  const found: string[] = [];
  for (let from = new Date(after); found.length < count; ) {
    from = new Date(nextCron(expression, zone, from.getTime(), changes)!);
    found.push(from.toISOString().replace(":00.000Z", "Z"));
  }
  return found;
}

test("Australia/Lord_Howe changes by half an hour: a daily noon goes on", () => {
  assert.deepEqual(instants("0 12 * * *", "Australia/Lord_Howe", "2027-04-03T14:00:00Z", 2), [
    "2027-04-04T01:30Z",
    "2027-04-05T01:30Z",
  ]);
});

test("Australia/Lord_Howe: an hourly task goes on through the half hour that comes twice", () => {
  assert.deepEqual(instants("0 * * * *", "Australia/Lord_Howe", "2027-04-03T14:00:00Z", 2), [
    "2027-04-03T15:30Z",
    "2027-04-03T16:30Z",
  ]);
});

test("Australia/Lord_Howe: one day of the year that is the day of a change", () => {
  assert.deepEqual(instants("0 9 4 4 *", "Australia/Lord_Howe", "2026-11-28T00:00:00Z", 1), [
    "2027-04-03T22:30Z",
  ]);
});

test("Australia/Lord_Howe: every half hour fires in both of the half hours that look alike", () => {
  assert.deepEqual(instants("*/30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", 3), [
    "2026-04-04T14:30Z",
    "2026-04-04T15:00Z",
    "2026-04-04T15:30Z",
  ]);
});

test("Australia/Lord_Howe: a time in the half hour that is left out fires half an hour later", () => {
  assert.deepEqual(instants("0 2 * * *", "Australia/Lord_Howe", "2026-10-02T16:00:00Z", 2), [
    "2026-10-03T15:30Z",
    "2026-10-04T15:00Z",
  ]);
});

test("America/Nuuk leaves out the last hour of a day: the evening before it stays", () => {
  assert.deepEqual(instants("0 22 * * *", "America/Nuuk", "2027-03-27T00:00:00Z", 2), [
    "2027-03-28T00:00Z",
    "2027-03-28T23:00Z",
  ]);
});

test("America/Nuuk: every second hour loses none but the one that is not there", () => {
  assert.deepEqual(instants("0 */2 * * *", "America/Nuuk", "2027-03-27T22:30:00Z", 4), [
    "2027-03-28T00:00Z",
    "2027-03-28T01:00Z",
    "2027-03-28T03:00Z",
    "2027-03-28T05:00Z",
  ]);
});

test("Atlantic/Azores has a midnight twice: the first one fires", () => {
  assert.deepEqual(instants("0 0 * * *", "Atlantic/Azores", "2026-10-24T12:00:00Z", 2), [
    "2026-10-25T00:00Z",
    "2026-10-26T01:00Z",
  ]);
});

test("America/Havana has a midnight twice: the first one fires", () => {
  assert.deepEqual(instants("0 0 * * *", "America/Havana", "2026-10-31T12:00:00Z", 2), [
    "2026-11-01T04:00Z",
    "2026-11-02T05:00Z",
  ]);
});

test("Antarctica/Troll goes back by two hours: half past two fires once", () => {
  assert.deepEqual(instants("30 2 * * *", "Antarctica/Troll", "2026-10-24T12:00:00Z", 2), [
    "2026-10-25T00:30Z",
    "2026-10-26T02:30Z",
  ]);
});

const ROME_SPRING = "2026-03-28T12:00:00Z";
const ROME_AUTUMN = "2026-10-24T12:00:00Z";

test("gap: a time that is left out shifts, or is skipped", () => {
  const skip: ClockChanges = { gap: "skip", repeat: "first" };
  assert.deepEqual(instants("30 2 * * *", "Europe/Rome", ROME_SPRING, 2), [
    "2026-03-29T01:30Z",
    "2026-03-30T00:30Z",
  ]);
  assert.deepEqual(instants("30 2 * * *", "Europe/Rome", ROME_SPRING, 1, skip), ["2026-03-30T00:30Z"]);
});

test("gap: what shifts onto an instant that fires anyway is one with it, and all come in order", () => {
  assert.deepEqual(instants("15,30 2,3 * * *", "Europe/Rome", ROME_SPRING, 4), [
    "2026-03-29T01:15Z",
    "2026-03-29T01:30Z",
    "2026-03-30T00:15Z",
    "2026-03-30T00:30Z",
  ]);
  assert.deepEqual(instants("30 2,3 * * *", "Europe/Rome", ROME_SPRING, 2), [
    "2026-03-29T01:30Z",
    "2026-03-30T00:30Z",
  ]);
});

test("repeat: a time that comes twice fires first, or both times", () => {
  const both: ClockChanges = { gap: "shift", repeat: "both" };
  assert.deepEqual(instants("30 2 * * *", "Europe/Rome", ROME_AUTUMN, 2), [
    "2026-10-25T00:30Z",
    "2026-10-26T01:30Z",
  ]);
  assert.deepEqual(instants("30 2 * * *", "Europe/Rome", ROME_AUTUMN, 2, both), [
    "2026-10-25T00:30Z",
    "2026-10-25T01:30Z",
  ]);
});

test("where the hour begins with a star neither choice matters: every real instant fires, nothing shifts", () => {
  for (const gap of ["shift", "skip"] as const) {
    for (const repeat of ["first", "both"] as const) {
      assert.deepEqual(
        instants("30 */2 * * *", "Europe/Rome", "2026-03-29T00:00:00Z", 2, { gap, repeat }),
        ["2026-03-29T02:30Z", "2026-03-29T04:30Z"],
        "02:30 is left out and 04:30 follows",
      );
      assert.deepEqual(
        instants("30 */2 * * *", "Europe/Rome", "2026-10-25T00:00:00Z", 3, { gap, repeat }),
        ["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T03:30Z"],
        "02:30 comes twice",
      );
    }
  }
});

test("a range of all hours is no star: it names 24 local times", () => {
  assert.deepEqual(instants("30 0-23 * * *", "Europe/Rome", "2026-10-25T00:00:00Z", 2), [
    "2026-10-25T00:30Z",
    "2026-10-25T02:30Z",
  ]);
});

test("a day that a zone has left out altogether shifts like an hour", () => {
  // Samoa went from 29 to 31 December 2011.
  assert.deepEqual(instants("0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2), [
    "2011-12-30T19:00Z",
    "2012-12-29T19:00Z",
  ]);
});

test("the rarest day is found: a 29 February that is a Friday, however far away", () => {
  assert.deepEqual(instants("0 0 * 2 5#5", "Europe/Rome", "2064-03-01T00:00:00Z", 3), [
    "2092-02-28T23:00Z",
    "2104-02-28T23:00Z",
    "2132-02-28T23:00Z",
  ]);
});
