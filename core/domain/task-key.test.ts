import assert from "node:assert/strict";
import { test } from "node:test";
import { findKeyFault, MAX_KEY_LENGTH } from "./task-key.ts";

test("a key begins with a letter or digit, and holds what a path can", () => {
  for (const key of ["a", "7", "billing:nightly-report", "A.b_c:d-9", "x".repeat(MAX_KEY_LENGTH), "applied"])
    assert.equal(findKeyFault(key), undefined, key);
  for (const key of ["", "-a", ".a", "a b", "a/b", "ä", "a\n", "a%20b", "x".repeat(MAX_KEY_LENGTH + 1)])
    assert.match(findKeyFault(key)!, /^must be a letter or digit/, key);
});

test("a key is never taken for an id, nor for a path beside those of tasks", () => {
  for (const id of ["01a20a22-ed46-778f-b69a-117fc6f8a959", "01A20A22-ED46-778F-B69A-117FC6F8A959"])
    assert.match(findKeyFault(id)!, /UUID/);
  for (const key of ["apply", "batch"]) assert.match(findKeyFault(key)!, /reserved/);
});
