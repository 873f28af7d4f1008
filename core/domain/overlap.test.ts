import assert from "node:assert/strict";
import { test } from "node:test";
import { decideOverlap, type LineVerdict, mayHoldNext, OVERLAPS, type RunLine } from "./overlap.ts";

const FREE: RunLine = { isBusy: false, waiting: [], due: ["new"] };
const BUSY: RunLine = { ...FREE, isBusy: true };
const NOTHING: LineVerdict = { start: [], wait: [], skip: [], cancel: [], cancelsBusy: false };

test("where no earlier run is open an occurrence starts, whatever the rule", () => {
  for (const overlap of OVERLAPS)
    assert.deepEqual(decideOverlap(overlap, FREE), { ...NOTHING, start: ["new"] });
});

test("while an earlier run is open, the rule decides", () => {
  assert.deepEqual(decideOverlap("skip", BUSY), { ...NOTHING, skip: ["new"] });
  assert.deepEqual(decideOverlap("allow", BUSY), { ...NOTHING, start: ["new"] });
  assert.deepEqual(decideOverlap("wait", BUSY), { ...NOTHING, wait: ["new"] });
  const replaced = { ...NOTHING, wait: ["new"], cancelsBusy: true };
  assert.deepEqual(decideOverlap("cancel-previous", BUSY), replaced);
});

test("one waits, and the next is skipped; what replaces takes the place of the one that waits", () => {
  const full = { ...BUSY, waiting: ["old"] };
  assert.deepEqual(decideOverlap("wait", full), { ...NOTHING, skip: ["new"] });
  assert.deepEqual(decideOverlap("skip", full), { ...NOTHING, skip: ["new"] });
  assert.deepEqual(decideOverlap("cancel-previous", full), {
    ...{ ...NOTHING, wait: ["new"] },
    ...{ cancel: ["old"], cancelsBusy: true },
  });
});

test("the first that waits starts once nothing is open, one at a time, before any that is new", () => {
  const line = { isBusy: false, waiting: ["a", "b"], due: [] };
  assert.deepEqual(decideOverlap("skip", line), { ...NOTHING, start: ["a"] });
  assert.deepEqual(decideOverlap("skip", { ...line, isBusy: true }), NOTHING);
  const both = { ...line, waiting: ["a"], due: ["new"] };
  assert.deepEqual(decideOverlap("wait", both), { ...NOTHING, start: ["a"], wait: ["new"] });
  assert.deepEqual(decideOverlap("skip", both), { ...NOTHING, start: ["a"], skip: ["new"] });
});

test("occurrences whose instants came together are decided one after the other", () => {
  const late = { ...FREE, due: ["a", "b", "c"] };
  assert.deepEqual(decideOverlap("skip", late), { ...NOTHING, start: ["a"], skip: ["b", "c"] });
  assert.deepEqual(decideOverlap("wait", late), { ...NOTHING, start: ["a"], wait: ["b"], skip: ["c"] });
  assert.deepEqual(decideOverlap("allow", late), { ...NOTHING, start: ["a", "b", "c"] });
  assert.deepEqual(decideOverlap("cancel-previous", late), { ...NOTHING, cancel: ["a", "b"], wait: ["c"] });
});

test("whose end a later run may wait for", () => {
  const catchUp = { policy: "all" as const, windowMs: null, max: 100 };
  assert.equal(mayHoldNext("schedule", { overlap: "skip", catchUp: null }), false);
  assert.equal(mayHoldNext("schedule", { overlap: "allow", catchUp }), true);
  for (const overlap of ["wait", "cancel-previous"] as const) {
    assert.equal(mayHoldNext("schedule", { overlap, catchUp: null }), true);
    assert.equal(mayHoldNext("manual", { overlap, catchUp: null }), false);
  }
});
