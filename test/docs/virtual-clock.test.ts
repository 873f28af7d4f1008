/** Each row of docs/schedules.md of what the clock for tests does is held by a test elsewhere, which is there. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { readRows } from "./schedule-tables.ts";

const SYSTEM = "test/system/virtual-clock.test.ts";
const ROUTES = "api/clock/routes.test.ts";
const TOLD =
  "what is asked and told of tasks goes by the clock: what has passed, what is upcoming, when they were changed";
const FIRING = "tasks fire as the clock is advanced, in their order, and not before";

/** By the row's first cell: where it is shown. */
const HELD_BY: Record<string, readonly [file: string, title: string][]> = {
  "what is due, nextRunAt, scheduledFor of scheduled runs, skipped instants": [
    [SYSTEM, FIRING],
    [SYSTEM, "a pause sleeps through what the clock passes, and catches up as the task says"],
  ],
  'delay, every, "in the past" of a new task; previews without from; within of what is upcoming; to of a backfill':
    [
      [ROUTES, "the clock is read and advanced, and tasks that are made see it"],
      [ROUTES, TOLD],
    ],
  "createdAt, updatedAt and pausedAt of a task": [[ROUTES, TOLD]],
  "what a pause sleeps through, and catches up with": [
    [SYSTEM, "a pause sleeps through what the clock passes, and catches up as the task says"],
  ],
  expect: [["scheduler/watch-expectations.test.ts", "all runs that are late are told"]],
  "timeout, ttl, deadline, the wait before a retry, leases": [
    ["scheduler/move-clock.test.ts", "stages each instant at its time, due at once by the true clock"],
    [SYSTEM, "a week of instants is no outage"],
  ],
  "startedAt, finishedAt, events, logs, retention": [[SYSTEM, FIRING]],
  overlap: [["scheduler/move-clock.test.ts", "waits for a run that the next would overlap with"]],
};

test("every row is held by tests that are there", async () => {
  const rows = readRows("what", "goes by").map(([what]) => what!.replaceAll("`", ""));
  assert.deepEqual(rows.toSorted(), Object.keys(HELD_BY).toSorted());
  for (const [file, title] of Object.values(HELD_BY).flat()) {
    const text = await readFile(new URL(`../../${file}`, import.meta.url), "utf8");
    assert.ok(text.includes(`"${title}`), `${file}: ${title}`);
  }
});
