import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { readSource } from "./source.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellhop-source-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

test("files that import each other by paths go as they are, and none that is not imported", async () => {
  await write({
    "index.ts":
      'import type { Context } from "bellhop"; import { a } from "./lib/a"; import "node:path"; export default () => a;',
    "lib/a.ts": "export const a = 1;",
    "notes.ts": "not source",
  });
  const { files, entry, packages, builtBytes } = await readSource(folder);
  assert.deepEqual(Object.keys(files).sort(), ["index.ts", "lib/a.ts"]);
  assert.equal(entry, "index.ts");
  assert.deepEqual(packages, []);
  assert.ok(builtBytes! > 20);
});

test("packages of npm are bundled into one file, and are told", async () => {
  await write({
    "app.ts": 'import { b } from "b"; export default () => b;',
    "node_modules/b/package.json": '{"name": "b", "main": "index.js"}',
    "node_modules/b/index.js": 'module.exports = { b: require("@c/d") };',
    "node_modules/@c/d/package.json": '{"name": "@c/d"}',
    "node_modules/@c/d/index.js": "module.exports = 2;",
  });
  const { files, entry, packages } = await readSource(join(folder, "app.ts"));
  assert.deepEqual(Object.keys(files), ["app.js"]);
  assert.equal(entry, "app.js");
  assert.deepEqual(packages, ["@c/d", "b"]);
  assert.match(files["app.js"]!, /export \{/);
});

test("what lies outside of the folder, or is found by the author's own paths, is bundled too", async () => {
  await write({
    "fn/index.ts": 'import { s } from "../shared.ts"; export default () => s;',
    "shared.ts": "export const s = 3;",
    "paths/index.ts": 'import { p } from "~/p"; export default () => p;',
    "paths/src/p.ts": "export const p = 4;",
    "paths/tsconfig.json": '{"compilerOptions": {"paths": {"~/*": ["./src/*"]}}}',
  });
  assert.deepEqual(Object.keys((await readSource(join(folder, "fn"))).files), ["index.js"]);
  assert.deepEqual(Object.keys((await readSource(join(folder, "paths"))).files), ["index.js"]);
});

test("faults have their place and line, and what is missing is named", async () => {
  await write({ "index.ts": 'import x from "nowhere";\nexport default () => x;' });
  await assert.rejects(readSource(folder), ({ details, hint }: { details: string[]; hint: string }) => {
    assert.match(details[0]!, /^index\.ts:1:15: Could not resolve "nowhere"/);
    assert.match(hint, /npm install/);
    return true;
  });
  await assert.rejects(readSource(join(folder, "none.ts")), /There is no file or folder/);
  await mkdir(join(folder, "empty"));
  await assert.rejects(readSource(join(folder, "empty")), /holds no index\.ts/);
});
