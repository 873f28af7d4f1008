import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keepKey, readKey } from "./key-file.ts";

const dataDir = await mkdtemp(join(tmpdir(), "bellhop-key-file-"));
after(() => rm(dataDir, { recursive: true }));
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test("a key is kept for its owner alone, and read again", async () => {
  const path = join(dataDir, "kept");
  assert.equal(await readKey(path), undefined);
  assert.equal(await keepKey(path, "secret"), "secret");
  assert.deepEqual([await readKey(path), await modeOf(path)], ["secret", "600"]);
});

test("a key file that others may read is its owner's alone once it was read, also where it is empty yet", async () => {
  const [open, empty] = [join(dataDir, "open"), join(dataDir, "empty")];
  await writeFile(open, "secret\n");
  await writeFile(empty, "");
  for (const path of [open, empty]) await chmod(path, 0o644);
  assert.deepEqual([await readKey(open), await readKey(empty)], ["secret", undefined]);
  await keepKey(empty, "made");
  assert.deepEqual([await modeOf(open), await modeOf(empty)], ["600", "600"]);
  assert.equal(await readFile(empty, "utf8"), "made\n");
});

test("one whose mode cannot be changed is refused, with what to do", async () => {
  // Everybody's to read, and nobody's to change.
  const path = "/proc/self/status";
  await assert.rejects(readKey(path), {
    code: "invalid_setting",
    message: /^\/proc\/self\/status holds a key and may be read by others, .*chmod 600 \/proc\/self\/status$/,
  });
});
