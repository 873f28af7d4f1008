import assert from "node:assert/strict";
import { test } from "node:test";
import { isIdlTest, resolveIn } from "./checkout.ts";
import { isCandidate } from "./folders.ts";

test("references resolve as a page would resolve them", () => {
  const from = "fetch/api/headers/a.any.js";
  assert.equal(resolveIn(from, "b.js"), "fetch/api/headers/b.js");
  assert.equal(resolveIn(from, "./b.js"), "fetch/api/headers/b.js");
  assert.equal(resolveIn(from, "../resources/b.js"), "fetch/api/resources/b.js");
  assert.equal(resolveIn(from, "/common/b.js?x=/../y#z"), "common/b.js");
});

test("no reference leaves the checkout", () => {
  assert.equal(resolveIn("url/a.any.js", "../../../../etc/b.json"), "etc/b.json");
  assert.equal(resolveIn("url/a.any.js", "/../etc/b.json"), "etc/b.json");
});

test("test files are those that run outside a window", () => {
  assert.equal(isCandidate("url/a.any.js"), true);
  assert.equal(isCandidate("url/IdnaTestV2.window.js"), true);
  assert.equal(isCandidate("url/toascii.window.js"), false);
  assert.equal(isCandidate("url/resources/a.js"), false);
});

test("an IDL test is known by its name", () => {
  assert.equal(isIdlTest({ path: "WebCryptoAPI/idlharness.https.any.js" }), true);
  assert.equal(isIdlTest({ path: "url/url-idlharness.any.js" }), false);
});
