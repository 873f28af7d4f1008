import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDuration, formatFromNow } from "./time.ts";

test("durations have their two largest units", () => {
  const shown = [0, 740, 1500, 59_000, 60_000, 3_661_000, 90_000_000, 86_400_000].map(formatDuration);
  assert.deepEqual(shown, ["0ms", "740ms", "1.5s", "59s", "1m", "1h 1m", "1d 1h", "1d"]);
});

test("an instant lies ahead or behind", () => {
  const now = Date.parse("2026-11-29T09:00:00Z");
  assert.equal(formatFromNow("2026-11-29T09:05:00Z", now), "in 5m");
  assert.equal(formatFromNow("2026-11-29T08:59:57Z", now), "3.0s ago");
  assert.equal(formatFromNow(null, now), "–");
});

test("bytes", () => assert.deepEqual([999, 1500, 2_500_000].map(formatBytes), ["999 B", "1.5 kB", "2.5 MB"]));
