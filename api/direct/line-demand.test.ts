import assert from "node:assert/strict";
import { test } from "node:test";
import { createLineDemand } from "./line-demand.ts";

test("who waits for a function counts up to as many as may run of it at once, whoever else waits", () => {
  const told: number[] = [];
  const demand = createLineDemand((count) => told.push(count));
  for (let caller = 0; caller < 4; caller += 1) demand.add("limited", 2);
  demand.add("free", undefined);
  demand.add("free", undefined);
  assert.deepEqual(told, [1, 2, 2, 2, 3, 4]);
  told.length = 0;
  for (let caller = 0; caller < 4; caller += 1) demand.remove("limited");
  demand.remove("free");
  demand.remove("free");
  assert.deepEqual(told, [4, 4, 3, 2, 1, 0]);
});

test("another limit holds from the next caller on", () => {
  const told: number[] = [];
  const demand = createLineDemand((count) => told.push(count));
  for (const most of [1, 1, 3, undefined]) demand.add("f", most);
  assert.deepEqual(told, [1, 1, 3, 4]);
  demand.remove("f");
  assert.equal(told.at(-1), 3);
});
