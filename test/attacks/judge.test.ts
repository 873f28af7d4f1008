import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Attack } from "./attack.ts";
import { judge, type Observation } from "./judge.ts";

const MEGABYTE = 1_048_576;
const calm: Observation = {
  outcome: { kind: "answered", answer: [] },
  answers: [[]],
  lines: [],
  said: "",
  tookMs: 10,
  wallMs: 1_000,
  growthBytes: 5 * MEGABYTE,
  neighbours: { worstMs: 5, faults: [] },
  accidents: [],
  trespasses: 0,
};
const attack: Attack = {
  name: "x",
  source: "",
  expect: { answer: { equal: [] }, codes: ["function_error"] },
};
const faultsOf = (seen: Partial<Observation>, expect = attack.expect) =>
  judge({ ...attack, expect }, { ...calm, ...seen }, ["the-secret"]);

describe("an attack fails as it should", () => {
  test("with the answer or the code that is expected", () => {
    assert.deepEqual(faultsOf({}), []);
    assert.deepEqual(faultsOf({ outcome: { kind: "failed", code: "function_error" } }), []);
  });

  test("and not with another answer, code or refusal", () => {
    assert.deepEqual(faultsOf({ outcome: { kind: "answered", answer: ["process"] } }), [
      'answered ["process"] instead of []',
    ]);
    assert.deepEqual(faultsOf({ outcome: { kind: "failed", code: "executor_killed" } }), [
      "failed with executor_killed",
    ]);
    assert.deepEqual(faultsOf({ outcome: { kind: "refused", code: "build_failed" } }), [
      "was refused with build_failed",
    ]);
    assert.deepEqual(faultsOf({}, { codes: ["function_error"] }), ["answered []"]);
  });

  test("and not by answers that repeat where they must differ", () => {
    const differing = { differs: true, answer: () => undefined } as const;
    assert.deepEqual(faultsOf({ answers: [[1, 2], [3]] }, differing), []);
    assert.equal(faultsOf({ answers: [[1, 2], [2]] }, differing).length, 1);
  });
});

describe("whatever it got, it must not", () => {
  test("take too long, too much, or hold up a neighbour", () => {
    assert.deepEqual(faultsOf({ tookMs: 11_100 }), ["took 11100 ms, 100 ms more than it may"]);
    assert.deepEqual(faultsOf({ tookMs: 11_100, slackMs: 100 }), []);
    assert.deepEqual(faultsOf({ growthBytes: 401 * MEGABYTE }), ["took 401 MB of memory"]);
    assert.deepEqual(faultsOf({ growthBytes: undefined }), []);
    assert.deepEqual(faultsOf({ workerGrowthBytes: 401 * MEGABYTE }), []);
    const bounded = { ...attack.expect, workerMb: 50 };
    assert.deepEqual(faultsOf({ workerGrowthBytes: 50 * MEGABYTE }, bounded), []);
    assert.deepEqual(faultsOf({ workerGrowthBytes: 51 * MEGABYTE }, bounded), [
      "made the worker hold 51 MB more, 50 at most",
    ]);
    assert.equal(faultsOf({ neighbours: { worstMs: 6_000, faults: ["silent"] } }).length, 2);
  });

  test("tell a secret, a host's frame or a part of the bridge", () => {
    for (const said of [
      "x the-secret y",
      "at f (node:internal/x:1:1)",
      "at file:///a.ts:1:1",
      "isolated-vm",
    ]) {
      assert.ok(faultsOf({ said }).length > 0, said);
    }
    assert.deepEqual(faultsOf({ said: "at default (function.js:1:1)" }), []);
  });

  test("reach what is forbidden, or leave a mark on the system", () => {
    assert.deepEqual(faultsOf({ trespasses: 2, accidents: ["a role ended"] }), [
      "reached a forbidden address 2 times",
      "a role ended",
    ]);
  });
});
