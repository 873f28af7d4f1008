import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_FUNCTION_LIMITS } from "./function-limits.ts";
import { diffEnv, diffFiles, diffLimits } from "./revision-diff.ts";

const file = (sha256: string, bytes = 1) => ({ sha256, bytes });

test("files are added, removed or changed, by path; those that are the same are left out", () => {
  const from = { "b.ts": file("1"), "same.ts": file("2"), "gone.ts": file("3", 9) };
  const to = { "b.ts": file("1b", 2), "same.ts": file("2"), "a.ts": file("4") };
  assert.deepEqual(diffFiles(from, to), [
    { path: "a.ts", change: "added", from: null, to: file("4") },
    { path: "b.ts", change: "changed", from: file("1"), to: file("1b", 2) },
    { path: "gone.ts", change: "removed", from: file("3", 9), to: null },
  ]);
  assert.deepEqual(diffFiles(from, from), []);
});

test("a file may be called what an object has by itself", () => {
  assert.deepEqual(diffFiles({}, { constructor: file("1") }), [
    { path: "constructor", change: "added", from: null, to: file("1") },
  ]);
});

test("limits that differ are told with both sides", () => {
  const limits = { ...DEFAULT_FUNCTION_LIMITS, memoryMb: 64, concurrency: 3 };
  assert.deepEqual(diffLimits(DEFAULT_FUNCTION_LIMITS, limits), {
    memoryMb: { from: 128, to: 64 },
    concurrency: { from: null, to: 3 },
  });
  assert.deepEqual(diffLimits(limits, limits), {});
});

test("settings that differ are told with both sides, those of one side with null", () => {
  const from = { SAME: "1", GONE: "2", EMPTY: "" };
  const to = { SAME: "1", constructor: "3", EMPTY: "4" };
  assert.deepEqual(diffEnv(from, to), {
    EMPTY: { from: "", to: "4" },
    GONE: { from: "2", to: null },
    constructor: { from: null, to: "3" },
  });
  assert.deepEqual(diffEnv(to, to), {});
});
