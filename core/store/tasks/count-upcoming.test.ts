import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { httpTask } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { countUpcoming } from "./count-upcoming.ts";
import { createTask } from "./create.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);
const T0 = Date.parse("2026-03-02T10:00:00.000Z");
const HOUR_MS = 3_600_000;
const SPAN = { fromMs: T0, untilMs: T0 + 24 * HOUR_MS, slices: 24 };
let namespaceId: string;
beforeEach(async () => {
  namespaceId = await newNamespace();
});

const make = (schedule: Schedule) =>
  createTask(store, { namespaceId, input: httpTask(schedule), now: new Date(T0) });
const count = () => countUpcoming(store, namespaceId, SPAN);
const sumOf = (counts: number[]) => counts.reduce((sum, each) => sum + each, 0);

test("instants are counted in their slices", async () => {
  await make({ kind: "cron", expression: "30 12,13 * * *", timezone: "UTC" });
  await make({ kind: "delay", delayMs: 90 * 60_000 });
  await make({ kind: "once", at: new Date(T0 + 25 * HOUR_MS).toISOString() });
  const { counts, isEstimated } = await count();
  assert.equal(isEstimated, false);
  assert.deepEqual(counts, [0, 1, 1, 1, ...new Array<number>(20).fill(0)]);
});

test("a task that fires too often is taken to go on as it began", async () => {
  await make({ kind: "every", everyMs: 1_000 });
  await make({ kind: "cron", expression: "30 9 * * *", timezone: "UTC" });
  const { counts, isEstimated } = await count();
  assert.equal(isEstimated, true);
  assert.ok(Math.abs(sumOf(counts) - 86_400) < 50, String(sumOf(counts)));
  for (const each of counts) assert.ok(Math.abs(each - 3_600) < 20, String(counts));
});

test("another namespace's tasks, and those that are paused, do not count", async () => {
  await make({ kind: "every", everyMs: HOUR_MS });
  namespaceId = await newNamespace();
  assert.equal(sumOf((await count()).counts), 0);
});
