import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readExecutorBundle } from "./executor-bundle.ts";

function keptPathFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-bundle-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "deep", "executor.json");
}

test("the bundle is made once, and read as it was kept", (t) => {
  const path = keptPathFor(t);
  const made = readExecutorBundle(path);
  assert.match(made.program, /ExecutorHost=class/);
  // It is read a byte a letter.
  for (const text of [made.loader, made.program]) assert.equal(/[^\p{ASCII}]/u.exec(text), null);
  const { ino } = statSync(path);
  assert.deepEqual(readExecutorBundle(path), made);
  assert.equal(statSync(path).ino, ino, "not written again");
});

test("one of other sources, or a torn one, is made anew", (t) => {
  const path = keptPathFor(t);
  const made = readExecutorBundle(path);
  const text = readFileSync(path, "utf8");
  const ofOthers = text.replace(/"mark":"\w{4}/, '"mark":"0000');
  const changed = text.replace("ExecutorHost", "AnotherHost1");
  for (const kept of [ofOthers, changed, text.slice(0, -100), ""]) {
    assert.notEqual(kept, text);
    writeFileSync(path, kept);
    assert.deepEqual(readExecutorBundle(path), made);
    assert.equal(readFileSync(path, "utf8"), text);
  }
});

test("where nothing can be kept it is made all the same", (t) => {
  const path = keptPathFor(t);
  const made = readExecutorBundle(path);
  assert.deepEqual(readExecutorBundle(join(path, "below-a-file", "executor.json")), made);
});
