import assert from "node:assert/strict";
import { test } from "node:test";
import { findClockChanges } from "./clock-changes.ts";

test("an instant is marked whose offset is another than that of the one before", () => {
  const items = [
    "2027-03-27T02:30:00+01:00",
    "2027-03-28T03:30:00+02:00",
    "2027-03-29T02:30:00+02:00",
    "2027-10-31T02:30:00+01:00",
  ].map((local) => ({ local }));
  assert.deepEqual(findClockChanges(items), [items[1], items[3]]);
  assert.deepEqual(findClockChanges(items.slice(0, 1)), []);
});
