import assert from "node:assert/strict";
import { test } from "node:test";
import { createColdStarts } from "./cold-starts.ts";

test("a revision's first cold start is recorded, further ones are not", () => {
  const recorded: unknown[] = [];
  const starts = createColdStarts(
    async (...told) => void recorded.push(told),
    () => {},
  );
  starts.note("a", 7);
  starts.note("a", 9);
  starts.note("b", 5);
  assert.deepEqual(recorded, [
    ["a", 7],
    ["b", 5],
  ]);
});

test("one that was not recorded is told of, and the next is", async () => {
  const failed = Promise.withResolvers<unknown>();
  const recorded: number[] = [];
  const starts = createColdStarts(async (_, coldStartMs) => {
    recorded.push(coldStartMs);
    if (coldStartMs === 7) throw new Error("away");
  }, failed.resolve);
  starts.note("a", 7);
  assert.match(String(await failed.promise), /away/);
  starts.note("a", 9);
  assert.deepEqual(recorded, [7, 9]);
});
