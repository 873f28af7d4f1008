import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOptions as parseModel } from "../model/options.ts";
import { parseOptions as parseTorture } from "../torture/options.ts";
import { MUTATIONS } from "./mutations/index.ts";
import { isCaught } from "./plant.ts";
import { readViolated, toArgs } from "./run-catcher.ts";

describe("a catcher", () => {
  for (const [name, { catcher }] of Object.entries(MUTATIONS))
    it(`is told of ${name} what it understands`, () => {
      const [file, ...args] = toArgs(catcher);
      assert.equal(file, `test/${catcher.by}/main.ts`);
      const { seed, ...given } = (catcher.by === "model" ? parseModel : parseTorture)(args) as {
        seed: number;
      };
      assert.equal(seed, catcher.seed);
      const { by: _, seed: __, ...own } = catcher;
      for (const [key, value] of Object.entries(own))
        assert.deepEqual((given as Record<string, unknown>)[key], value, key);
    });

  it("says what was violated, once each", () => {
    const lines = ["seed 1", "VIOLATED fires-once: 2", "  VIOLATED not-this: 1", "VIOLATED fires-once: 3"];
    assert.deepEqual(readViolated([...lines, "VIOLATED no-lag: partition 1"]), ["fires-once", "no-lag"]);
  });

  it("has caught a mistake in time, by an invariant that says what is wrong, or not at all", () => {
    const mutation = { ...MUTATIONS["claim-without-lock"], violates: ["legal-changes"], withinSeconds: 60 };
    const found = { violated: ["no-overlap", "legal-changes"], hasFailed: false, lines: [], seconds: 59 };
    assert.equal(isCaught(mutation, found), true);
    assert.equal(isCaught(mutation, { ...found, seconds: 61 }), false);
    assert.equal(isCaught(mutation, { ...found, violated: ["no-overlap"] }), false);
    assert.equal(isCaught(mutation, { ...found, hasFailed: true }), false);
  });
});
