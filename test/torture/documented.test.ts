/** docs/torture.md lists every fault and every invariant, as they are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { FAULT_KINDS } from "./faults/fault.ts";
import { INVARIANTS } from "./oracle/invariants/index.ts";

const document = readFileSync(new URL("../../docs/torture.md", import.meta.url), "utf8");
/** The rows of the table under a heading. */
const rowsOf = (heading: string) => {
  const [, section = ""] = document.split(`\n## ${heading}\n`);
  return [...section.split("\n## ")[0]!.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(([, name, text]) => [
    name,
    text,
  ]);
};

it("each fault has its row", () => {
  assert.deepEqual(
    rowsOf("Faults").map(([name]) => name),
    [...FAULT_KINDS],
  );
});

it("each invariant has its row, with its words", () => {
  assert.deepEqual(
    rowsOf("What must hold"),
    INVARIANTS.map(({ name, holds }) => [name, holds]),
  );
});
