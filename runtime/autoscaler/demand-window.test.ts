import assert from "node:assert/strict";
import { test } from "node:test";
import { createDemandWindow } from "./demand-window.ts";

const START_MS = 1_000_000_000;
const at = (seconds: number) => START_MS + seconds * 1_000;

test("a level weighs as long as it held, however often it was told", () => {
  const window = createDemandWindow();
  window.add(at(0), 60);
  for (let tenth = 1; tenth <= 10; tenth += 1) window.add(at(tenth / 10), 60);
  window.add(at(1), 0);
  assert.deepEqual(
    window.read(at(4)),
    { latest: 0, recent: 12, busiest: 12 },
    "the window began five seconds ago",
  );
  assert.deepEqual(window.read(at(5.5)), { latest: 0, recent: 60 / 5.5, busiest: 60 / 5.5 });
  assert.deepEqual(window.read(at(6)), { latest: 0, recent: 0, busiest: 10 });
  window.add(at(6), 30);
  assert.deepEqual(window.read(at(12)), { latest: 30, recent: 30, busiest: 30 });
});

test("the busiest six seconds are remembered for a minute", () => {
  const window = createDemandWindow();
  window.add(at(0), 600);
  window.add(at(6), 6);
  window.add(at(59), 6);
  assert.equal(window.read(at(59)).busiest, 600);
  assert.equal(window.read(at(65)).busiest, 600);
  window.add(at(72), 6);
  assert.equal(window.read(at(72)).busiest, 6);
});

test("what a long silence leaves behind is a level, and no more memory than a minute's", () => {
  const window = createDemandWindow();
  window.add(at(0), 5);
  window.add(at(86_400), 0);
  assert.deepEqual(window.read(at(86_400)), { latest: 0, recent: 5, busiest: 5 });
});

test("nothing was told: nothing is wanted", () => {
  assert.deepEqual(createDemandWindow().read(at(0)), { latest: 0, recent: 0, busiest: 0 });
});
