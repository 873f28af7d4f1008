import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { Output } from "./output.ts";

const ODD = { "\u009b2J": "\u202eevil\u001b\n" };

function print(json: boolean, show: (out: Output) => void): string {
  const stdout = new PassThrough();
  show(new Output({ stdout, stderr: new PassThrough(), env: {}, json }));
  return String(stdout.read());
}

test("JSON and facts do not steer the terminal, and JSON means what it did", () => {
  const none = () => assert.fail("rendered as text");
  const printed = [
    print(true, (out) => out.answer(ODD, none)),
    print(true, (out) => out.item(ODD, none)),
    print(false, (out) => out.value(ODD)),
  ];
  for (const text of printed) {
    for (const char of "\u009b\u202e\u001b") assert.ok(!text.includes(char), JSON.stringify(text));
    assert.deepEqual(JSON.parse(text), ODD);
  }
  assert.equal(
    print(false, (out) =>
      out.facts([
        ["of", "\u009b2J\u202e"],
        ["none", null],
      ]),
    ),
    "of  \\u009b2J\\u202e\n",
  );
});
