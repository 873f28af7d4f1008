/** docs/model.md lists every fault, every invariant and every planted mistake, as they are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FAULTS } from "./explore/faults.ts";
import { listInvariants } from "./invariants/index.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import { LEASE_MS } from "./setup.ts";

const document = readFileSync(new URL("../../docs/model.md", import.meta.url), "utf8");

/** The table under a heading: its first column, without code marks, and its second. */
function readTable(heading: string): [string, string][] {
  const section = document.split(`## ${heading}\n`)[1]!.split("\n## ")[0]!;
  return [...section.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)].map(([, name, what]) => [name!, what!]);
}

const asSentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

test("its tables are those of the code", () => {
  assert.deepEqual(
    readTable("An interleaving")
      .map(([name]) => name)
      .sort(),
    [...FAULTS].sort(),
  );
  assert.deepEqual(
    readTable("What must hold").sort(),
    listInvariants(LEASE_MS)
      .map(({ name, promise }) => [name, asSentence(promise)])
      .sort(),
  );
  assert.deepEqual(
    readTable("Planted mistakes"),
    Object.entries(PLANTED_BUGS).map(([name, what]) => [name, asSentence(what)]),
  );
});
