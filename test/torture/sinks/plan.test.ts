import assert from "node:assert/strict";
import { it } from "node:test";
import { stepOf } from "./plan.ts";

it("a target answers each attempt as its plan says, and those after the last step as that", () => {
  const steps = [1, 2, 3, 4].map((attempt) => stepOf("503:20,drop,later:50", attempt));
  assert.deepEqual(steps, [
    { kind: "answer", status: 503, delayMs: 20 },
    { kind: "drop" },
    { kind: "later", delayMs: 50 },
    { kind: "later", delayMs: 50 },
  ]);
});
