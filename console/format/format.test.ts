import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDuration } from "./duration.ts";
import { formatLocal, formatRelative } from "./time.ts";

test("durations have their units, and the two largest of them", () => {
  const shown = [0, 850, 999.6, 3_210, 9_960, 59_400, 60_000, 250_000, 7_500_000, 273_600_000, -1_500];
  assert.deepEqual(shown.map(formatDuration), [
    ...["0 ms", "850 ms", "1000 ms", "3.2 s", "10 s", "59 s", "1 min", "4 min 10 s"],
    ...["2 h 5 min", "3 d 4 h", "−1.5 s"],
  ]);
});

test("bytes have their units", () => {
  assert.deepEqual([0, 999, 1_500, 123_456, 20_000_000].map(formatBytes), [
    ...["0 B", "999 B", "1.5 KB", "123 KB", "20.0 MB"],
  ]);
});

test("instants are told from now, one unit of them", () => {
  const now = new Date("2026-11-24T12:00:00Z");
  const told = (ms: number) => formatRelative(new Date(now.getTime() + ms), now);
  assert.deepEqual([0, -5_000, -200_000, 7_500_000, -90_000_000].map(told), [
    ...["now", "5 s ago", "3 min ago", "in 2 h", "1 d ago"],
  ]);
});

test("an instant is told as clocks in its zone show it", () => {
  assert.equal(formatLocal("2026-11-24T09:00:00.000+01:00"), "Tue 24 Nov 2026, 09:00:00 +01:00");
  assert.equal(formatLocal("soon"), "soon");
});
