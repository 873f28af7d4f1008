import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SLEEP_MS, needsWaking, STAGE_AHEAD_MS } from "./staging.ts";

const NOW = new Date("2026-03-02T10:00:00.000Z");
const inMs = (ms: number) => new Date(NOW.getTime() + ms);

test("a scheduler is woken for an instant that it might sleep through, and not for one that it finds by itself", () => {
  for (const ms of [-1_000, 0, STAGE_AHEAD_MS, MAX_SLEEP_MS + STAGE_AHEAD_MS])
    assert.equal(needsWaking(inMs(ms), NOW), true, `in ${ms} ms`);
  for (const ms of [60_000, 86_400_000]) assert.equal(needsWaking(inMs(ms), NOW), false, `in ${ms} ms`);
});

test("a scheduler is woken for a task without an instant: one may have to be looked for", () => {
  assert.equal(needsWaking(null, NOW), true);
});
