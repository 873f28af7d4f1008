import assert from "node:assert/strict";
import { test } from "node:test";
import { isForOurGlobal, parseMeta } from "./test-file.ts";

test("META lines give scripts in order, variants, globals and the long timeout", () => {
  const meta = parseMeta(
    [
      "// META: title=Something",
      "// META: global=window, worker",
      "// META: script=/common/utils.js",
      "//META: script=../resources/a.js",
      "// META: timeout=long",
      "// META: variant=?1-10",
      "// META: variant=?11-last",
      "",
      "test(() => {});",
    ].join("\r\n"),
  );
  assert.deepEqual(meta, {
    globals: ["window", "worker"],
    scripts: ["/common/utils.js", "../resources/a.js"],
    variants: ["?1-10", "?11-last"],
    isLong: true,
  });
});

test("a file that names no variant is run once, without one", () => {
  assert.deepEqual(parseMeta("test(() => {});"), {
    globals: undefined,
    scripts: [],
    variants: [""],
    isLong: false,
  });
});

test("other comments may stand among META lines; behind the first code there are none", () => {
  const meta = parseMeta("// A note\n\n// META: script=a.js\n'use strict';\n// META: script=b.js\n");
  assert.deepEqual(meta.scripts, ["a.js"]);
});

test("a file for service or shared workers alone is not ours", () => {
  const isOurs = (value: string) => isForOurGlobal(parseMeta(`// META: global=${value}`));
  assert.equal(isForOurGlobal(parseMeta("")), true);
  assert.equal(isOurs("window,serviceworker"), true);
  assert.equal(isOurs("dedicatedworker,sharedworker"), true);
  assert.equal(isOurs("worker"), true);
  assert.equal(isOurs("serviceworker"), false);
  assert.equal(isOurs("sharedworker,serviceworker"), false);
});
