import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "./mailbox.ts";

test("a mailbox is found in its three shapes, white space around its parts left out", () => {
  for (const [text, name, address] of [
    ["user@example.com", "", "user@example.com"],
    ["  Ann  Lee   <a@example.com>  ", "Ann  Lee", "a@example.com"],
    ["<a@example.com>", "", "a@example.com"],
    ['"Doe, Jane"<jane@example.com>', "Doe, Jane", "jane@example.com"],
    [' "Doe, Jane"   <jane@example.com> ', "Doe, Jane", "jane@example.com"],
  ] as const) {
    assert.deepEqual(parseMailbox(text), { name, address }, text);
  }
});

test("a text takes time by its length, whatever it is made of", () => {
  const begun = performance.now();
  for (const filling of [" ", "a", '"', '" ', "a@", "<a@", "\\", '"\\']) {
    for (const end of ["@", "<", "x", '"', ">"]) {
      const text = filling.repeat(2_000) + end;
      parseMailbox(text);
      parseMailbox(`"a"${text}`);
    }
  }
  assert.ok(performance.now() - begun < 5_000);
});
