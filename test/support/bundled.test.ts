import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { bundleOf, chooseProgram, LOAD_PACKAGES } from "./bundled.ts";
import { provideBundles } from "./bundles.ts";
import { startProcess } from "./processes.ts";

function useBundles(t: TestContext, folder: string): void {
  const before = process.env["TEST_BUNDLES"];
  t.after(() => {
    if (before === undefined) delete process.env["TEST_BUNDLES"];
    else process.env["TEST_BUNDLES"] = before;
  });
  process.env["TEST_BUNDLES"] = folder;
}

test("a role starts from its bundle where there is one, any other program from its source", (t) => {
  useBundles(t, "/bundles");
  assert.equal(chooseProgram("api/main.ts"), `/bundles/${bundleOf("api/main.ts")}`);
  assert.equal(chooseProgram("test/system/impatient-api.ts"), "test/system/impatient-api.ts");
  delete process.env["TEST_BUNDLES"];
  assert.equal(chooseProgram("api/main.ts"), "api/main.ts");
});

test("a package that was bundled is loaded from there, and what the process forks loads as ever", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-bundles-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "kysely.js"), "export const from = 'a bundle';");
  const script = join(folder, "script.mjs");
  await writeFile(
    script,
    `import * as kysely from "kysely";
     import { bundleOf } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, "bundled.ts")).href)};
     console.log(JSON.stringify([kysely.from, bundleOf("a.ts"), process.execArgv]));`,
  );
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--disable-warning=TimeoutNegativeWarning", LOAD_PACKAGES, script],
    { env: { ...process.env, TEST_BUNDLES: folder } },
  );
  assert.deepEqual(JSON.parse(stdout), ["a bundle", "a.js", ["--disable-warning=TimeoutNegativeWarning"]]);
});

test("the process of a role runs its bundle, unless its source is asked for", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-bundles-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "api"));
  await writeFile(join(folder, bundleOf("api/main.ts")), "console.log('a bundle');");
  useBundles(t, folder);
  const bundled = startProcess("api/main.ts");
  assert.deepEqual(await bundled.exited, { code: 0, signal: null });
  assert.deepEqual(bundled.lines, ["a bundle"]);
  const source = startProcess("api/main.ts", { isFromSource: true });
  assert.equal((await source.exited).code, 1);
  assert.match(source.lines.join("\n"), /DATABASE_URL/);
});

test("where nothing can be bundled, that is said and the sources are run; a strict run fails", async (t) => {
  const said = t.mock.method(console, "log", () => {});
  const make = () => Promise.reject(new Error("EACCES: permission denied"));
  assert.deepEqual(await provideBundles(false, make), {});
  assert.deepEqual(
    said.mock.calls.map(({ arguments: [line] }) => line),
    ["Nothing is bundled: EACCES: permission denied. Roles and test files run from their sources."],
  );
  await assert.rejects(
    provideBundles(true, make),
    /^Error: Nothing can be bundled, and --strict .* denied\.$/,
  );
});
