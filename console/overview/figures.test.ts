import assert from "node:assert/strict";
import { test } from "node:test";
import { countMinutes, findFailing } from "./figures.ts";

const now = new Date("2026-11-24T12:00:30Z");
const at = (secondsAgo: number) => new Date(now.getTime() - secondsAgo * 1_000).toISOString();
const run = (given: object) =>
  ({
    state: "succeeded",
    scheduledFor: at(0),
    startedAt: null,
    finishedAt: null,
    attempt: 1,
    ...given,
  }) as never;

test("runs are counted in the minute they ended, lateness in the one they began", () => {
  const counted = countMinutes(
    [
      run({ scheduledFor: at(70), startedAt: at(65), finishedAt: at(10) }),
      run({ state: "dead", scheduledFor: at(10), startedAt: at(8), finishedAt: at(7) }),
      run({ state: "skipped", finishedAt: at(70) }),
      run({ finishedAt: at(7_200) }),
      run({ state: "running", scheduledFor: at(20), startedAt: at(5), attempt: 2 }),
    ],
    now,
    3,
  );
  assert.deepEqual(
    [counted.succeeded, counted.failed, counted.other],
    [
      [0, 0, 1],
      [0, 0, 1],
      [0, 1, 0],
    ],
  );
  assert.deepEqual(counted.lateness, [null, 5, 2]);
  assert.equal(counted.at[2], Date.parse("2026-11-24T12:00:00Z") / 1_000);
});

test("failing tasks, the worst first; what has no task is none", () => {
  const failed = (taskId: string | null, state = "failed") =>
    run({ taskId, state, type: "http", function: null, finishedAt: at(1) });
  const found = findFailing([
    failed("a"),
    failed("b"),
    failed("b", "dead"),
    failed("c", "succeeded"),
    failed(null),
  ]);
  assert.deepEqual(
    found.map(({ taskId, failures }) => [taskId, failures]),
    [
      ["b", 2],
      ["a", 1],
    ],
  );
});
