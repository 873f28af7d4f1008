import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { findQuickFolder, hasRoom } from "./servers.ts";

const GIB = 2 ** 30;

test("files are in memory only where the folder and the memory have room", () => {
  const roomy = { folderBytes: 8 * GIB, memoryBytes: 16 * GIB };
  assert.equal(hasRoom(roomy), true);
  assert.equal(hasRoom({ ...roomy, folderBytes: GIB }), false);
  assert.equal(hasRoom({ ...roomy, memoryBytes: 5 * GIB }), false);
});

test("files are on the disk where somebody asks for that", async (t) => {
  const before = process.env["BELLHOP_TEST_MEMORY"];
  t.after(() => {
    if (before === undefined) delete process.env["BELLHOP_TEST_MEMORY"];
    else process.env["BELLHOP_TEST_MEMORY"] = before;
  });
  process.env["BELLHOP_TEST_MEMORY"] = "0";
  assert.equal(await findQuickFolder(), tmpdir());
});
