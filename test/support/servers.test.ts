import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { findQuickFolder, hasRoom } from "./servers.ts";

const GIB = 2 ** 30;

test("files are in memory only where the folder, the machine and the container all have room", () => {
  const roomy = { folderBytes: 8 * GIB, freeBytes: 16 * GIB, containerBytes: 2 ** 64 };
  assert.equal(hasRoom(roomy), true);
  assert.equal(hasRoom({ ...roomy, containerBytes: 0 }), true, "no container's limit");
  assert.equal(hasRoom({ ...roomy, folderBytes: GIB }), false);
  assert.equal(hasRoom({ ...roomy, freeBytes: 5 * GIB }), false);
  assert.equal(hasRoom({ ...roomy, containerBytes: 4 * GIB }), false);
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
