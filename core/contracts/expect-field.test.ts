import assert from "node:assert/strict";
import { test } from "node:test";
import { taskInput } from "./task-input.ts";

const schema = taskInput(() => new Date("2026-06-01T12:00:00Z"));
const read = (expect: unknown, more: object = {}) =>
  schema.safeParse({ type: "http", url: "https://example.com", expect, ...more });
const fault = (expect: unknown, more: object = {}) => {
  const [issue] = read(expect, more).error!.issues;
  return `${issue!.path.join(".")}: ${issue!.message}`;
};

test("an expectation is one of two", () => {
  assert.deepEqual(read({ within: "2h" }).data!.policy.expect, { withinMs: 7_200_000 });
  assert.deepEqual(read({ by: "08:00" }).data!.policy.expect, { by: "08:00" });
  assert.equal(read(null).data!.policy.expect, null);
  assert.equal(read(undefined).data!.policy.expect, null);
});

test("what it cannot be is refused by name", () => {
  const oneOfTwo = 'holds exactly one of within and by: {"within": "2h"} or {"by": "08:00"}';
  assert.equal(fault({}), `expect: ${oneOfTwo}`);
  assert.equal(fault({ within: "2h", by: "08:00" }), `expect: ${oneOfTwo}`);
  assert.match(fault({ within: "soon" }), /^expect\.within: must be a duration/);
  assert.equal(fault({ within: "0s" }), "expect.within: must be at least 1ms");
  for (const by of ["8:00", "24:00", "08:60", "08:00:00", "8pm"])
    assert.equal(fault({ by }), 'expect.by: must be a time of day such as "08:00"');
  assert.match(fault({ until: "08:00" }), /^expect: Unrecognized key/);
  assert.match(fault("2h"), /^expect: /);
});

test("a run must have longer than the jitter that it is rung with", () => {
  const schedule = { every: "1h", jitter: "5m" };
  assert.equal(
    fault({ within: "5m" }, { schedule }),
    "expect.within: must be longer than the schedule's jitter",
  );
  assert.ok(read({ within: "301s" }, { schedule }).success);
});
