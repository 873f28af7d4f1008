import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { bundleOf, chooseProgram } from "./bundled.ts";

const HOOK = join(import.meta.dirname, "bundled-packages.ts");

test("a role starts from its bundle where there is one, any other program from its source", (t) => {
  const before = process.env["TEST_BUNDLES"];
  t.after(() => {
    if (before === undefined) delete process.env["TEST_BUNDLES"];
    else process.env["TEST_BUNDLES"] = before;
  });
  process.env["TEST_BUNDLES"] = "/bundles";
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
    ["--disable-warning=TimeoutNegativeWarning", `--import=${HOOK}`, script],
    { env: { ...process.env, TEST_BUNDLES: folder } },
  );
  assert.deepEqual(JSON.parse(stdout), ["a bundle", "a.js", ["--disable-warning=TimeoutNegativeWarning"]]);
});
