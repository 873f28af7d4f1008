/** What a run of the fuzzer is judged by. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type Report } from "./judge.ts";

const CLEAN: Report = {
  ...{ seed: 7, running_time: 59.6, stop_reason: "completed", failures: [], errors: [] },
  operations: { selected: 103, tested: 103, skip_reasons: {} },
  test_cases: { generated: 3_559, errored: 0 },
  valid_rates: { "GET /v1/tasks": { fuzzing: { accepted: 3 } } },
};

test("a run without findings is told of in one line", () => {
  assert.deepEqual(judge(CLEAN, [{ level: "warn", msg: "a name was not found" }]), {
    lines: ["103 operations, 3559 requests in 60 s with seed 7: 0 faults"],
    failed: false,
  });
});

test("a finding fails it, and so do an error of the fuzzer, one in a role's log, and an operation that was not reached", () => {
  const finding = { title: "Server error", count: 2, operations: ["GET /v1/tasks"] };
  const faulty: [Report, Record<string, unknown>[]?][] = [
    [{ ...CLEAN, failures: [finding] }],
    [{ ...CLEAN, errors: [{ title: "Hook Error", count: 1 }] }],
    [CLEAN, [{ level: "error", msg: "a request failed unexpectedly" }]],
    [{ ...CLEAN, operations: { selected: 103, tested: 102, skip_reasons: {} } }],
    [{ ...CLEAN, operations: null }],
  ];
  for (const [report, logs = []] of faulty) {
    const { lines, failed } = judge(report, logs);
    assert.ok(failed, lines.at(-1));
    assert.match(lines[0]!, /^FAIL /);
  }
});

test("operations that no request got past a refusal are told of", () => {
  const valid_rates = { "GET /v1/a": { coverage: { accepted: 0 }, fuzzing: { accepted: 0 } } };
  assert.deepEqual(judge({ ...CLEAN, valid_rates }, []).lines.slice(0, 1), ["never answered 2xx: GET /v1/a"]);
});

test("an operation that was not reached before the time was up is told of, and fails nothing", () => {
  const report = {
    ...CLEAN,
    stop_reason: "max_time",
    operations: { selected: 103, tested: 101, skip_reasons: {} },
  };
  const { lines, failed } = judge(report, []);
  assert.deepEqual([lines[0], failed], ["2 of 103 operations were not reached", false]);
});
