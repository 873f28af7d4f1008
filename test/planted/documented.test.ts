/** docs/planted.md lists every mutation, as it is. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { listRows } from "./describe.ts";

test("its table is that of the code", () => {
  const document = readFileSync(new URL("../../docs/planted.md", import.meta.url), "utf8");
  const rows = document.split("\n").filter((line) => line.startsWith("| `"));
  assert.deepEqual(
    rows,
    listRows().map((cells) => `| ${cells.join(" | ")} |`),
  );
});
