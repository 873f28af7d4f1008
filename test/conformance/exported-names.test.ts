import assert from "node:assert/strict";
import { test } from "node:test";
import { hiddenNames } from "./exported-names.ts";

test("of a sloppy script what is lexical is hidden, var and functions are not", () => {
  const source = "var a = 1; let b, { c, d: [e, ...f] } = {}; const g = 1; class H {} function i() {}";
  assert.deepEqual(hiddenNames(source), ["b", "c", "e", "f", "g", "H"]);
});

test("of a strict script everything is hidden", () => {
  const source = "// note\n'use strict';\nvar a = 1; function b() {} const c = 1;";
  assert.deepEqual(hiddenNames(source), ["a", "b", "c"]);
});

test("only what stands at the top counts", () => {
  assert.deepEqual(hiddenNames("{ let a; } (function () { const b = 1; })(); if (true) { class C {} }"), []);
});

test("a directive behind code is none", () => {
  assert.deepEqual(hiddenNames("f(); 'use strict'; var a;"), []);
});
