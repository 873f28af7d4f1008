/** Uploads with a lock file, built with packages of a registry on this machine. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { hashSources } from "../../../core/domain/revision-hash.ts";
import { BellhopError } from "../../../core/errors.ts";
import { buildRevision } from "../build-revision.ts";
import { stopCompiler } from "../compiler.ts";
import {
  integrityOf,
  lockOf,
  type Published,
  packPackage,
  startLocalRegistry,
} from "./testing/local-registry.ts";

const registry = await startLocalRegistry();
after(() => registry.close());
after(stopCompiler);

type Files = Record<string, string>;
const build = (files: Files) => buildRevision({ files, entry: "index.ts", registry: registry.url });

/** The default export of a built script, run here because the test wrote it. */
async function run(files: Files): Promise<unknown> {
  const { code } = await build(files);
  const module = { exports: {} as { default?: () => unknown } };
  new Function("module", "exports", "require", code)(module, module.exports, createRequire(import.meta.url));
  return await module.exports.default?.();
}

/** An upload that has published packages installed side by side. */
function withPackages(source: string, packages: Record<string, Published>): Files {
  const entries = Object.entries(packages).map(([name, { entry }]) => [`node_modules/${name}`, entry]);
  const dependencies = Object.fromEntries(Object.keys(packages).map((name) => [name, "^1.0.0"]));
  return { "index.ts": source, ...lockOf(dependencies, Object.fromEntries(entries)) };
}

async function refusal(files: Files): Promise<BellhopError> {
  const thrown = await build(files).then(
    () => assert.fail("it was built"),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof BellhopError, String(thrown));
  return thrown;
}

test("an upload with packages is another revision than the same built without them", async () => {
  const lone = await registry.publish("lone", { "index.js": "module.exports = 7;" });
  const files = withPackages("import lone from 'lone'; export default () => lone;", { lone });
  const { contentHash } = await build(files);
  assert.equal((await build(files)).contentHash, contentHash);
  assert.notEqual(contentHash, hashSources(new Map(Object.entries(files)), "index.ts"));
});

describe("packages are found as Node finds them", () => {
  test("by main, module, exports with conditions, subpaths, folders, and each other", async () => {
    const byMain = await registry.publish(
      "by-main",
      { "lib/it.js": "exports.v = 'main';" },
      { main: "lib/it" },
    );
    const byIndex = await registry.publish("@s/by-index", {
      "index.js": "exports.v = require('by-main').v + ' by index';",
    });
    const byModule = await registry.publish(
      "by-module",
      { "m.mjs": "export const v = 'module';" },
      { module: "m.mjs" },
    );
    const byExports = await registry.publish(
      "by-exports",
      {
        "i.mjs": "export { v } from '#inner';",
        "r.cjs": "exports.v = 'required';",
        "inner.mjs": "export const v = 'imported';",
        "w.mjs": "export default 'worker';",
        "n.mjs": "export default 'node';",
        "f/one.mjs": "export default 1;",
        "hidden.mjs": "export default 'hidden';",
      },
      {
        main: "wrong.js",
        imports: { "#inner": "./inner.mjs" },
        exports: {
          ".": { import: "./i.mjs", require: "./r.cjs" },
          "./where": { worker: "./w.mjs", node: "./n.mjs" },
          "./f/*": "./f/*.mjs",
        },
      },
    );
    const source = `
      import { v as main } from "by-main";
      import { v as index } from "@s/by-index";
      import { v as module } from "by-module";
      import { v as imported } from "by-exports";
      import where from "by-exports/where";
      import one from "by-exports/f/one";
      const { v: required } = require("by-exports");
      let hidden;
      try { hidden = require("by-exports/hidden.mjs"); } catch (error) { hidden = error.code; }
      export default () => [main, index, module, imported, where, one, required, hidden];`;
    const packages = {
      "by-main": byMain,
      "@s/by-index": byIndex,
      "by-module": byModule,
      "by-exports": byExports,
    };
    assert.deepEqual(await run(withPackages(source, packages)), [
      ...["main", "main by index", "module", "imported", "worker", 1, "required", "MODULE_NOT_FOUND"],
    ]);
  });

  test("the nearest of several versions", async () => {
    const one = await registry.publish("nearest", { "index.js": "module.exports = 'outer';" });
    const parent = await registry.publish("parent", { "index.js": "module.exports = require('nearest');" });
    const inner = await registry.publish("inner", { "index.js": "module.exports = 'inner';" });
    const files = withPackages(
      'import outer from "nearest"; import inner from "parent"; export default () => [outer, inner];',
      { nearest: one, parent },
    );
    const lock = JSON.parse(files["package-lock.json"]!);
    lock.packages["node_modules/parent/node_modules/nearest"] = { name: "inner", ...inner.entry };
    assert.deepEqual(await run({ ...files, "package-lock.json": JSON.stringify(lock) }), ["outer", "inner"]);
  });

  test("a locked package, and not what another one brings along in its place", async () => {
    const locked = await registry.publish("locked", { "index.js": "module.exports = 'locked';" });
    const bringer = await registry.publish("bringer", {
      "index.js": "module.exports = require('locked');",
      "node_modules/locked/index.js": "module.exports = 'brought';",
    });
    const files = withPackages('import x from "bringer"; export default () => x;', { bringer });
    const lock = JSON.parse(files["package-lock.json"]!);
    lock.packages["node_modules/bringer/node_modules/locked"] = locked.entry;
    assert.equal(await run({ ...files, "package-lock.json": JSON.stringify(lock) }), "locked");
  });

  test("a default import of CommonJS is what Node says it is, by the type of who imports", async () => {
    const cjs = await registry.publish("cjs", {
      "index.js": "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 'inner';",
    });
    const read = "import x from 'cjs'; export default typeof x;";
    const asModule = await registry.publish("as-module", { "index.js": read }, { type: "module" });
    const asScript = await registry.publish("as-script", { "index.js": read });
    const source = 'import a from "as-module"; import b from "as-script"; export default () => [a, b];';
    const packages = { cjs, "as-module": asModule, "as-script": asScript };
    assert.deepEqual(await run(withPackages(source, packages)), ["object", "string"]);
  });

  test("what is pure and unused is left out; a computed name finds files of its package alone", async () => {
    const pure = await registry.publish(
      "pure",
      {
        "index.js": "export * from './used.js'; export * from './unused.js';",
        "used.js": "export const used = 1;",
        "unused.js": "export const unused = 'LEFT-OUT';",
      },
      { type: "module", sideEffects: false },
    );
    const computed = await registry.publish("computed", {
      "index.js": "module.exports = (name) => require('./words/' + name);",
      "words/hi.js": "module.exports = 'hi';",
    });
    const source = `
      import { used } from "pure"; import load from "computed";
      const tryLoad = (name) => { try { return load(name); } catch (error) { return error.code; } };
      export default () => [used, tryLoad("hi"), tryLoad("../../pure/used.js"), tryLoad("../../../etc/passwd")];`;
    const files = withPackages(source, { pure, computed });
    assert.doesNotMatch((await build(files)).code, /LEFT-OUT/);
    assert.deepEqual(await run(files), [1, "hi", "MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);
  });

  test("await is written out where a package may keep stores, and nothing is read from the disk", async () => {
    const hooks = await registry.publish("hooks", {
      "index.js":
        "const { AsyncLocalStorage } = require('async_hooks'); exports.store = new AsyncLocalStorage();",
    });
    const files = withPackages(
      'import { store } from "hooks"; export default async () => { await 1; return !!store; };',
      { hooks },
    );
    assert.doesNotMatch((await build(files)).code, /await 1/);
    const reader = await registry.publish(
      "reader",
      { "index.js": "module.exports = 1;\n//# sourceMappingURL=file:///etc/hostname" },
      { main: "../../../../../etc/hostname" },
    );
    const error = await refusal(
      withPackages('import x from "reader/../../../etc/hostname"; export default () => x;', { reader }),
    );
    assert.match(error.message, /is not among the installed packages/);
    // A main that is not there is passed over, as Node does.
    assert.equal(await run(withPackages('import x from "reader"; export default () => x;', { reader })), 1);
  });

  test("faults name the package's file, and what is not installed", async () => {
    const broken = await registry.publish("broken", { "index.js": "let x = 1 y;" });
    const { fields } = await refusal(
      withPackages('import "broken"; import "gone"; export default 1;', { broken }),
    );
    const places = fields.map(({ field, file, line }) => [field, file, line]);
    assert.deepEqual(
      places.sort(),
      [
        ["files", "node_modules/broken/index.js", 1],
        ["files.index.ts", "index.ts", 1],
      ].sort(),
    );
    assert.ok(fields.some(({ message }) => message.includes('"gone" is not among the installed packages')));
  });
});

describe("what the registry sends is not trusted", () => {
  test("a tarball whose hash is another is refused before it is read, and its hash is not told", async () => {
    const { entry, path } = await registry.publish("changed", { "index.js": "module.exports = 1;" });
    const other = await packPackage({ "index.js": "module.exports = 'evil';" });
    registry.answer(path, (response) => response.end(other));
    const error = await refusal(
      withPackages('import "changed"; export default 1;', { changed: { entry, path } }),
    );
    assert.deepEqual([error.code, error.fields[0]?.field], ["build_failed", "files.package-lock.json"]);
    assert.match(error.message, /node_modules\/changed is not what the lock file says/);
    assert.ok(!error.message.includes(integrityOf(other)));
  });

  test("it is followed nowhere, and its own failures are not the author's", async () => {
    const { entry, path } = await registry.publish("moved", { "index.js": "module.exports = 1;" });
    const files = withPackages('import "moved"; export default 1;', { moved: { entry, path } });
    registry.answer("/elsewhere", (response) => response.end("no"));
    registry.answer(path, (response) =>
      response.writeHead(302, { location: `${registry.url}/elsewhere` }).end(),
    );
    assert.match((await refusal(files)).message, /the registry answers 302/);
    assert.ok(!registry.requests.includes("/elsewhere"));
    registry.answer(path, (response) => response.writeHead(404).end());
    assert.equal((await refusal(files)).code, "build_failed");
    registry.answer(path, (response) => response.writeHead(503).end());
    assert.deepEqual(
      [(await refusal(files)).code, (await refusal(files)).status],
      ["registry_unavailable", 503],
    );
    registry.answer(path, (response) => response.destroy());
    const { code, message, retryAfterSeconds } = await refusal(files);
    assert.deepEqual([code, retryAfterSeconds], ["registry_unavailable", 5]);
    assert.ok(!message.includes(registry.url), message);
  });

  test("an upload whose fetching is interrupted may come again, and the next one builds", async () => {
    const { entry, path } = await registry.publish("silent", { "index.js": "module.exports = 1;" });
    const asked = Promise.withResolvers<void>();
    registry.answer(path, () => asked.resolve());
    const building = refusal(withPackages('import "silent"; export default 1;', { silent: { entry, path } }));
    await asked.promise;
    stopCompiler();
    assert.equal((await building).code, "build_interrupted");
    assert.equal(await run({ "index.ts": "export default () => 7;" }), 7);
  });
});

test("the lock file is part of the content's address", async () => {
  const { entry, path } = await registry.publish("addressed", { "index.js": "module.exports = 1;" });
  const files = withPackages('import x from "addressed"; export default () => x;', {
    addressed: { entry, path },
  });
  const other = { ...files, "package-lock.json": `${files["package-lock.json"]} ` };
  assert.notEqual((await build(files)).contentHash, (await build(other)).contentHash);
});

test("what npm itself writes is installed, with what a package brings along", async (t) => {
  await registry.publish("leaf", { "index.js": "module.exports = 'leaf';" });
  await registry.publish(
    "bringing",
    {
      "index.js": "module.exports = require('brought') + require('leaf');",
      "node_modules/brought/package.json": '{"name":"brought","version":"1.0.0"}',
      "node_modules/brought/index.js": "module.exports = 'brought ';",
    },
    { dependencies: { leaf: "^1.0.0", brought: "^1.0.0" }, bundleDependencies: ["brought"] },
  );
  const folder = await mkdtemp(join(tmpdir(), "bellhop-npm-"));
  t.after(() => rm(folder, { recursive: true }));
  const manifest = { name: "mine", dependencies: { bringing: "^1.0.0" } };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  const given = process.env["npm_execpath"];
  const [command, head] = given ? [process.execPath, [given]] : ["npm", []];
  const args = [...head, "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
  const env = { PATH: process.env["PATH"], HOME: folder, npm_config_registry: registry.url };
  await promisify(execFile)(command, args, { cwd: folder, env });
  const files = {
    "index.ts": 'import x from "bringing"; export default () => x;',
    "package.json": await readFile(join(folder, "package.json"), "utf8"),
    "package-lock.json": await readFile(join(folder, "package-lock.json"), "utf8"),
  };
  assert.equal(await run(files), "brought leaf");
});
