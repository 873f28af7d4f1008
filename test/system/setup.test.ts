/** What scripts/setup.mjs asks of npm, which is played, and what it takes for installed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const SETUP = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));

/** Says what it was asked and whether a stamp was there, and ends as it is told. */
const NPM = `
const { appendFileSync, existsSync } = require("node:fs");
const said = [...process.argv.slice(2, -3), ...(existsSync("node_modules/.bellhop-setup") ? ["stamped"] : [])];
appendFileSync("asked.txt", said.join(" ") + "\\n");
if (process.env.NPM_ENDS === "killed") process.kill(process.pid, "SIGKILL");
process.exitCode = Number(process.env.NPM_ENDS);`;

function openCheckout(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-setup-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  cpSync(SETUP, join(folder, "scripts/setup.mjs"));
  writeFileSync(join(folder, "package-lock.json"), "{}");
  writeFileSync(join(folder, "npm.cjs"), NPM);
  // What it makes after the install is not looked at here.
  writeFileSync(join(folder, "node_modules/.bin/node"), "#!/bin/sh\n", { mode: 0o755 });
  /** Before the script of that name; what npm was asked for. */
  return (script: string, npmEnds = "0"): string[] => {
    const asked = join(folder, "asked.txt");
    rmSync(asked, { force: true });
    const env = { npm_lifecycle_event: `pre${script}`, npm_execpath: join(folder, "npm.cjs") };
    const { status, stderr } = spawnSync(process.execPath, [join(folder, "scripts/setup.mjs")], {
      env: { ...process.env, ...env, NPM_ENDS: npmEnds },
      encoding: "utf8",
    });
    assert.equal(status, npmEnds === "0" ? 0 : 1, stderr);
    return existsSync(asked) ? readFileSync(asked, "utf8").trim().split("\n") : [];
  };
}

test("what runs alone installs that much; what development needs is added once, whatever npm is told elsewhere", (t) => {
  const setUp = openCheckout(t);
  assert.deepEqual(setUp("start"), ["ci --omit=dev"]);
  assert.deepEqual(setUp("worker"), []);
  assert.deepEqual(setUp("test"), ["install --no-save --include=dev"]);
  assert.deepEqual([setUp("check"), setUp("start")], [[], []]);
  assert.deepEqual(openCheckout(t)("test"), ["ci --include=dev"]);
});

test("an install that was killed is made again; where npm gave up adding to one it is as it was", (t) => {
  const setUp = openCheckout(t);
  assert.deepEqual(setUp("start", "killed"), ["ci --omit=dev"]);
  assert.deepEqual(setUp("start"), ["ci --omit=dev"]);
  assert.deepEqual(setUp("test", "1"), ["install --no-save --include=dev"]);
  assert.deepEqual(setUp("start"), []);
  assert.deepEqual(setUp("test", "killed"), ["install --no-save --include=dev"]);
  assert.deepEqual(setUp("start"), ["ci --omit=dev"]);
});
