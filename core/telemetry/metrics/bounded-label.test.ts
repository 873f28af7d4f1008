import assert from "node:assert/strict";
import { test } from "node:test";
import { createBoundedLabel, OTHER } from "./bounded-label.ts";

test("the first values stand for ever, all others are one", () => {
  const label = createBoundedLabel(2);
  assert.deepEqual(["a", "b", "c", "a", "d", "b"].map(label), ["a", "b", OTHER, "a", OTHER, "b"]);
});
