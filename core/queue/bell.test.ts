import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../store/ids.ts";
import { parseBell, readBell, toBellText } from "./bell.ts";

test("a bell is read back from its text", () => {
  const runId = newId();
  const availableAt = new Date("2026-01-01T00:00:00.123Z");
  assert.deepEqual(parseBell(Buffer.from(toBellText({ runId, availableAt }))), { runId, availableAt });
});

test("fields besides the two are let through", () => {
  const runId = newId();
  assert.deepEqual(readBell({ runId, availableAt: 0, more: "fields" }), { runId, availableAt: new Date(0) });
});

test("what is no bell names the field at fault", () => {
  const runId = newId();
  const fieldOf = (value: unknown) => (readBell(value) as { field: string }).field;
  for (const value of [null, [], "text", 7, undefined]) assert.equal(fieldOf(value), "", String(value));
  for (const id of [
    undefined,
    7,
    "",
    "'; DROP TABLE tasks",
    `${runId}0`,
    "-".repeat(36),
    runId.toUpperCase(),
  ])
    assert.equal(fieldOf({ runId: id, availableAt: 1 }), "runId", String(id));
  for (const at of [undefined, null, "2026-01-01T00:00:00Z", 1e300, Number.NaN])
    assert.equal(fieldOf({ runId, availableAt: at }), "availableAt", String(at));
});

test("text that is no bell is no bell, whatever it is", () => {
  for (const text of ["", "{", "null", "[]", '"text"', "\0\xff", JSON.stringify({ runId: newId() })])
    assert.equal(parseBell(Buffer.from(text)), undefined, text);
  assert.equal(parseBell(null), undefined);
});
