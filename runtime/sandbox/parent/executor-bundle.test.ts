import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readExecutorBundle } from "./executor-bundle.ts";

function keptPathFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-bundle-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "deep", "executor.mjs");
}

test("the bundle is made once, and read as it was kept", (t) => {
  const path = keptPathFor(t);
  const made = readExecutorBundle(path);
  assert.match(made, /ExecutorHost = class/);
  assert.equal(readFileSync(path, "utf8"), made);
  const { ino } = statSync(path);
  assert.equal(readExecutorBundle(path), made);
  assert.equal(statSync(path).ino, ino, "not written again");
});

test("one of other sources, or a torn one, is made anew", (t) => {
  const path = keptPathFor(t);
  const made = readExecutorBundle(path);
  for (const kept of [made.replace(/"mark":"\w{4}/, '"mark":"0000'), made.slice(0, -100), ""]) {
    writeFileSync(path, kept);
    assert.equal(readExecutorBundle(path), made);
    assert.equal(readFileSync(path, "utf8"), made);
  }
});

test("where nothing can be kept it is made all the same", (t) => {
  const path = keptPathFor(t);
  const made = readExecutorBundle(path);
  assert.equal(readExecutorBundle(join(path, "below-a-file", "executor.mjs")), made);
});
