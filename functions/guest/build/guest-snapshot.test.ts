import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { prepareGuestSnapshot } from "./guest-snapshot.ts";

test("the snapshot is made while its process serves others, and once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-guest-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const making = prepareGuestSnapshot(folder);
  const first = await Promise.race([making, new Promise((resolve) => setImmediate(resolve, "served"))]);
  assert.equal(first, "served");
  const path = await making;
  assert.ok(existsSync(path));
  assert.deepEqual(readdirSync(folder).length, 2, "and the scripts of node: modules, no drafts");
  assert.equal(await prepareGuestSnapshot(folder), path);
});
