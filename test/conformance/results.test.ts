import assert from "node:assert/strict";
import { test } from "node:test";
import { addFigures, applicablePercent, foldAnswers, tally, totalOf } from "./results.ts";

const answer = { harness: "OK", message: "", passes: 3, failures: [], left: 0 };

test("variants of a file add up", () => {
  const result = foldAnswers([
    answer,
    { ...answer, passes: 2, failures: [["a", "FAIL", "wrong"]] },
    { ...answer, passes: 0, left: 4 },
  ]);
  assert.deepEqual(result, {
    passes: 5,
    failures: [{ name: "a", status: "FAIL", message: "wrong" }],
    unnamed: 4,
  });
  assert.equal(totalOf(result), 10);
});

test("a harness that was not content counts as a failure of the file, and so does a run without an answer", () => {
  const { passes, failures } = foldAnswers([
    { ...answer, harness: "TIMEOUT", message: "did not end" },
    { error: "function_timeout: too long" },
  ]);
  assert.equal(passes, 3);
  assert.deepEqual(failures, [
    { name: "(the file)", status: "TIMEOUT", message: "did not end" },
    { name: "(the file)", status: "CRASH", message: "function_timeout: too long" },
  ]);
});

const failing = (count: number) =>
  foldAnswers([{ ...answer, passes: 6, failures: Array.from({ length: count }, () => ["a", "FAIL", ""]) }]);

test("figures count passes on both sides and what was expected of the sandbox, by what it says of us", () => {
  const judged = { expected: { browser: 2, engine: 1 }, unexpected: ["a"], stale: ["b", "c"] };
  const figures = tally([{ path: "x.any.js", sandbox: failing(4), node: failing(1), judged }], 7);
  assert.deepEqual(figures, {
    files: 1,
    skipped: 7,
    sandbox: { passes: 6, total: 10 },
    node: { passes: 6, total: 7 },
    expected: 3,
    notOurs: 2,
    unexpected: 1,
    stale: 2,
  });
  assert.equal(applicablePercent(figures), 75);
  assert.equal(addFigures([figures, figures]).sandbox?.total, 20);
});

test("without a run in the sandbox there is nothing to expect", () => {
  const figures = tally([{ path: "x.any.js", node: failing(1) }], 0);
  assert.equal(figures.sandbox, undefined);
  assert.equal(figures.unexpected, 0);
  assert.equal(applicablePercent(figures), undefined);
  assert.equal(addFigures([figures]).sandbox, undefined);
});

test("a failure that was not named is unexpected", () => {
  const sandbox = foldAnswers([{ ...answer, left: 2 }]);
  const judged = { expected: {}, unexpected: [], stale: [] };
  assert.equal(tally([{ path: "x.any.js", sandbox, judged }], 0).unexpected, 2);
});
