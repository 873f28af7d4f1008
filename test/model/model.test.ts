/** A share of what `npm run model` does: the same interleavings each time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { drawSeed } from "../support/properties.ts";
import { explore } from "./explore/explore.ts";
import { interleave } from "./explore/interleave.ts";
import { tellViolation } from "./explore/tell-violation.ts";
import { NO_BUGS } from "./planted-bugs.ts";

const INTERLEAVINGS = 400;

test("whatever comes between, and whoever dies, the guarantees hold", () => {
  const { found } = explore({ interleavings: INTERLEAVINGS, seed: drawSeed() });
  if (found) assert.fail(`seed ${found.seed}\n${tellViolation(found, NO_BUGS)}`);
});

test("the same seed is the same interleaving", () => {
  assert.deepEqual(interleave(7, NO_BUGS), interleave(7, NO_BUGS));
});
