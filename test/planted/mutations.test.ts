/** Each mutation can be made: its text is there, once, and what it makes of a file can be read. */
import assert from "node:assert/strict";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import { listInvariants } from "../model/invariants/index.ts";
import { LEASE_MS } from "../model/setup.ts";
import { INVARIANTS } from "../torture/oracle/invariants/index.ts";
import { applyEdit, mutate } from "./apply-mutation.ts";
import { MUTATIONS } from "./mutations/index.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const KNOWN = {
  model: listInvariants(LEASE_MS).map(({ name }) => name),
  torture: INVARIANTS.map(({ name }) => name),
};

for (const [name, { edits, catcher, violates }] of Object.entries(MUTATIONS))
  describe(name, () => {
    it("can be made, and what it makes can be read", async () => {
      const mutated = await mutate(ROOT, edits);
      for (const source of mutated.values()) assert.doesNotThrow(() => stripTypeScriptTypes(source));
    });

    it("is to be caught by invariants that there are", () => {
      assert.ok(violates.length > 0);
      for (const invariant of violates) assert.ok(KNOWN[catcher.by].includes(invariant), invariant);
    });
  });

it("there are a dozen of them, and more", () => {
  assert.ok(Object.keys(MUTATIONS).length >= 12);
});

it("a text that is gone, or is there twice, is told of", () => {
  const edit = { file: "a.ts", from: "x", to: "y" };
  assert.equal(applyEdit("axb", edit), "ayb");
  assert.throws(() => applyEdit("ab", edit), /"x" is gone from a\.ts/);
  assert.throws(() => applyEdit("xx", edit), /"x" is in 2 places of a\.ts/);
});
