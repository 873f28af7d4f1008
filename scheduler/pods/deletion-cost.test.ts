import assert from "node:assert/strict";
import { test } from "node:test";
import { costOf, decideMarks, LOWER_AFTER_MS, type Told } from "./deletion-cost.ts";

const worker = (host: string, busy: number) => ({ host, slots: 100, free: 100 - busy });

test("an idle pod costs nothing, a busy one a power of two", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 7, 8, 100].map((busy) => costOf(busy)),
    [0, 1, 2, 2, 4, 8, 64],
  );
});

test("a pod is told at once that it costs more, and only when it changes", () => {
  const first = decideMarks(0, [worker("a", 0), worker("b", 5)], new Map());
  assert.deepEqual(first.marks, [
    { pod: "a", cost: 0 },
    { pod: "b", cost: 4 },
  ]);
  const told = new Map<string, Told>(first.marks.map(({ pod, cost }) => [pod, { cost }]));
  assert.deepEqual(decideMarks(1, [worker("a", 0), worker("b", 6)], told).marks, []);
  assert.deepEqual(decideMarks(1, [worker("a", 1), worker("b", 9)], told).marks, [
    { pod: "a", cost: 1 },
    { pod: "b", cost: 8 },
  ]);
});

test("a pod is told that it costs less when that has lasted", () => {
  let told = new Map<string, Told>([["a", { cost: 8 }]]);
  const pass = (nowMs: number, busy: number) => {
    const decided = decideMarks(nowMs, [worker("a", busy)], told);
    told = decided.told;
    return decided.marks;
  };
  assert.deepEqual(pass(0, 1), []);
  assert.deepEqual(pass(LOWER_AFTER_MS - 1, 0), []);
  assert.deepEqual(pass(LOWER_AFTER_MS - 1, 8), [], "busy again: the wait begins anew");
  assert.deepEqual(pass(LOWER_AFTER_MS, 0), []);
  assert.deepEqual(pass(2 * LOWER_AFTER_MS, 0), [{ pod: "a", cost: 0 }]);
  assert.deepEqual(pass(2 * LOWER_AFTER_MS + 5_000, 0), [{ pod: "a", cost: 0 }], "until it was written");
});

test("workers of one pod add up; a pod whose worker is gone is forgotten", () => {
  const { marks, told } = decideMarks(0, [worker("a", 3), worker("a", 1)], new Map([["b", { cost: 1 }]]));
  assert.deepEqual(marks, [{ pod: "a", cost: 4 }]);
  assert.equal(told.size, 0);
});
