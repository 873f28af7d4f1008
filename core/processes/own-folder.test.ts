import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { makeOwnFolder } from "./own-folder.ts";

test("folders of processes that are gone are cleared away, and no others", async (t) => {
  if (process.platform !== "linux") return;
  const parent = mkdtempSync(join(tmpdir(), "bellhop-folder-test-"));
  t.after(() => rmSync(parent, { recursive: true }));
  const gone = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(gone, "exit");
  const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
  const stale = `bellhop-sandbox-${namespace}-${gone.pid}-123-abcdef`;
  const foreign = `bellhop-sandbox-1${namespace}-${gone.pid}-123-abcdef`;
  const ofAnother = stale.replace("sandbox", "worker");
  for (const name of [stale, foreign, ofAnother, "bellhop-sandbox-other"]) mkdirSync(join(parent, name));
  const first = basename(makeOwnFolder(parent, "bellhop-sandbox"));
  const second = basename(makeOwnFolder(parent, "bellhop-sandbox"));
  assert.deepEqual(
    readdirSync(parent).sort(),
    [foreign, ofAnother, "bellhop-sandbox-other", first, second].sort(),
  );
});

test("one that looks stale and is another user's is left alone", async (t) => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return t.skip("takes root on Linux");
  const parent = mkdtempSync(join(tmpdir(), "bellhop-folder-test-"));
  t.after(() => rmSync(parent, { recursive: true }));
  const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
  const planted = `bellhop-sandbox-${namespace}-1-123-abcdef`;
  mkdirSync(join(parent, planted));
  chownSync(join(parent, planted), 12_345, 12_345);
  const made = basename(makeOwnFolder(parent, "bellhop-sandbox"));
  assert.deepEqual(readdirSync(parent).sort(), [planted, made].sort());
});
