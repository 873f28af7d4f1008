import assert from "node:assert/strict";
import { test } from "node:test";
import { findFailing, findLate, stack, toFigures } from "./figures.ts";

const now = new Date("2026-11-24T12:00:30Z");

test("slices become series; what was not counted is null", () => {
  const slice = {
    ...{ at: "2026-11-24T12:00:00Z", succeeded: 5, failed: 2, other: 1, lateness: null },
    ...{ waiting: 9, running: 3, workers: null },
  };
  const told = { ...slice, lateness: { mean: 0.5, max: 4 }, workers: { count: 2, slots: 200, busy: 7 } };
  const figures = toFigures([slice, told]);
  assert.deepEqual(figures.at, [1_795_521_600, 1_795_521_600]);
  assert.deepEqual(figures.maxLateness, [null, 4]);
  assert.deepEqual(figures.workers, [null, 2]);
  assert.deepEqual(figures.busySlots, [null, 7]);
  assert.deepEqual(stack(figures.succeeded, figures.failed), [7, 7]);
});

test("failing tasks, the worst first; what has no task is none", () => {
  const failed = (taskId: string | null) => ({ taskId, type: "http", function: null }) as never;
  const found = findFailing([failed("a"), failed("b"), failed("b"), failed(null)]);
  assert.deepEqual(
    found.map(({ taskId, failures }) => [taskId, failures]),
    [
      ["b", 2],
      ["a", 1],
    ],
  );
});

test("a queue is late whose oldest run waits for more than a minute, unless it is paused", () => {
  const queue = (name: string, waitsMs: number | null, paused = false) =>
    ({
      ...{ name, paused },
      oldestWaitingAt: waitsMs === null ? null : new Date(now.getTime() - waitsMs).toISOString(),
    }) as never;
  const queues = [queue("a", 61_000), queue("b", 59_000), queue("c", null), queue("d", 90_000, true)];
  assert.deepEqual(
    findLate(queues, now).map(({ name }) => name),
    ["a"],
  );
});
