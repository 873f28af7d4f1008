import assert from "node:assert/strict";
import { test } from "node:test";
import type { Schedule } from "../../core/domain/schedule/schedule.ts";
import { MAX_SEARCH_MS } from "../../core/search-turns.ts";
import { createSlowTurns } from "../../test/support/slow-turns.ts";
import { previewSchedule } from "./preview.ts";

const HOURLY: Schedule = { kind: "every", everyMs: 3_600_000 };
const FROM = new Date("2026-11-28T12:00:00Z");

test("a preview shows what it finds in 250 ms of search, says that there may be more, and lets others have their turns", async () => {
  let turnsOfOthers = 0;
  const turns = createSlowTurns(50, () => (turnsOfOthers += 1));
  const { items, truncated } = await previewSchedule(HOURLY, FROM, 100, undefined, turns);
  assert.deepEqual([items.length, truncated, turnsOfOthers], [MAX_SEARCH_MS / 50, true, MAX_SEARCH_MS / 50]);
});

test("a preview that finds all in time says nothing of more", async () => {
  const preview = await previewSchedule(HOURLY, FROM, 3, undefined, createSlowTurns(50));
  assert.deepEqual([preview.items.length, "truncated" in preview], [3, false]);
});
