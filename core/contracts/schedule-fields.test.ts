import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoredTime, isWrittenAsStored } from "./schedule-fields.ts";

test("an instant as it is stored is one that Date would write just so", () => {
  for (const text of [
    "1900-01-01T00:00:00.000Z",
    "2026-12-30T09:00:00.000Z",
    "2026-12-31T23:59:59.999Z",
    "2028-02-29T00:00:00.000Z",
    "9998-12-31T23:59:59.999Z",
  ])
    assert.equal(isStoredTime(text), true, text);
});

test("any other text is not, though Date may read it", () => {
  for (const text of [
    "1899-12-31T23:59:59.999Z",
    "9999-01-01T00:00:00.000Z",
    "2026-02-29T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z",
    "2026-04-31T00:00:00.000Z",
    "2026-01-00T00:00:00.000Z",
    "2026-13-01T00:00:00.000Z",
    "2026-12-01T24:00:00.000Z",
    "2026-12-01T09:60:00.000Z",
    "2026-12-01t09:00:00.000Z",
    "2026-12-01 09:00:00.000Z",
    "+02026-12-01T09:00:00.0Z",
    "2026-12-01T09:00:00Z",
    "",
  ])
    assert.equal(isStoredTime(text), false, text);
  assert.equal(isStoredTime(undefined), false);
});

test("of instants those are found that are written as stored, but for some", () => {
  for (const text of ["1900-01-01T00:00:00.000Z", "2026-12-30T09:00:00.000Z", "9998-12-28T23:59:59.999Z"])
    assert.equal(isWrittenAsStored(text), true, text);
  for (const text of [
    "2026-12-31T09:00:00.000Z",
    "2026-02-30T09:00:00.000Z",
    "2026-12-01T24:00:00.000Z",
    "2026-12-01T09:00:00Z",
    "2026-12-01T09:00:00.000+02:00",
    " 2026-12-01T09:00:00.000Z",
    "2026-12-01T09:00:00.000Z\n",
    '1 Dec 2026 09:00 UTC (")',
  ])
    assert.equal(isWrittenAsStored(text), false, text);
});
