import assert from "node:assert/strict";
import { test } from "node:test";
import { FOLDERS } from "./folders.ts";
import { parseOptions } from "./options.ts";

test("a checkout alone: every folder, in the sandbox and in node", () => {
  assert.deepEqual(parseOptions(["--wpt", "x"]), {
    wpt: "x",
    folders: FOLDERS,
    file: undefined,
    inSandbox: true,
    inNode: true,
    update: false,
    json: undefined,
  });
});

function targetsOf(...args: string[]) {
  const options = parseOptions(["--wpt", "x", ...args]);
  return options === "help" ? options : [options.inSandbox, options.inNode];
}

test("one target, or both", () => {
  assert.deepEqual(targetsOf("--sandbox"), [true, false]);
  assert.deepEqual(targetsOf("--node"), [false, true]);
  assert.deepEqual(targetsOf("--sandbox", "--node"), [true, true]);
  assert.deepEqual(targetsOf("--both"), [true, true]);
});

test("a folder may stand above those measured, and may end in a slash", () => {
  const options = parseOptions(["--wpt", "x", "--folder", "fetch/", "--folder", "url"]);
  assert.ok(options !== "help");
  assert.deepEqual(options.folders, [
    "url",
    "fetch/api/headers",
    "fetch/api/request",
    "fetch/api/response",
    "fetch/api/body",
  ]);
});

test("mistakes are said", () => {
  assert.throws(() => parseOptions([]), { message: /--wpt DIR/ });
  assert.throws(() => parseOptions(["--wpt", "x", "--folder", "ur"]), { message: /No folder "ur"/ });
  assert.throws(() => parseOptions(["--wpt", "x", "--file", "("]), { message: /Invalid regular expression/ });
  assert.throws(() => parseOptions(["--wpt", "x", "--what"]), { message: /--what/ });
  assert.throws(() => parseOptions(["--wpt", "x", "--node", "--update-expectations"]), {
    message: /sandbox/,
  });
});

test("help goes before everything", () => {
  assert.equal(parseOptions(["--help"]), "help");
});
