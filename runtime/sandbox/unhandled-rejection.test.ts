/** A rejection that nobody handles is a line of the log, whenever it comes; the run ends as it would have. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Call, resultOf, startSandboxFor } from "./sandbox-fixture.ts";

async function linesOf({ outcome, lines }: Call) {
  assert.equal(resultOf(await outcome), "ok");
  return lines.map(({ level, message }) => [level, message.replaceAll(/\d+:\d+/g, "L:C")]);
}

const AT_SAVE = "Unhandled rejection: Error: x\n    at save (function.js:L:C)";

const WHENS: [string, string, string][] = [
  [
    "in the turn of the result",
    `async function save() { throw new Error("x"); }
     export default async () => { save(); return "ok"; };`,
    `${AT_SAVE}\n    at default (function.js:L:C)`,
  ],
  [
    "in the turn of a result that is no promise's",
    `async function save() { throw new Error("x"); }
     export default () => { save(); return "ok"; };`,
    `${AT_SAVE}\n    at default (function.js:L:C)`,
  ],
  [
    "before the result",
    `async function save() { throw new Error("x"); }
     const pause = () => new Promise((resolve) => setTimeout(resolve, 5));
     export default async () => { save(); await pause(); return "ok"; };`,
    `${AT_SAVE}\n    at default (function.js:L:C)`,
  ],
  [
    "after the result",
    `async function save() { for (let i = 0; i < 100; i++) await null; throw new Error("x"); }
     export default () => { save(); return "ok"; };`,
    AT_SAVE,
  ],
  [
    "while the module is loaded",
    `async function save() { throw new Error("x"); }
     save();
     export default () => "ok";`,
    `${AT_SAVE}\n    at function.js:L:C`,
  ],
  [
    "from a timer",
    `async function save() { throw new Error("x"); }
     export default () => new Promise((resolve) => setTimeout(() => { save(); resolve("ok"); }, 5));`,
    AT_SAVE,
  ],
];

for (const [when, source, line] of WHENS) {
  test(`a rejection that nobody handles is told: ${when}`, async (t) => {
    const { begin } = startSandboxFor(t);
    const [told, ...more] = await linesOf(await begin(source));
    assert.deepEqual(more, []);
    assert.equal(told?.[0], "error");
    assert.ok(told?.[1]?.startsWith(line), told?.[1]);
    assert.ok(!/bellhop|isolated-vm|node:/.test(told?.[1] ?? ""), told?.[1]);
  });
}

test("what is rejected with need not be an error", async (t) => {
  const { begin } = startSandboxFor(t);
  const source = `export default (input: any) => {
    Promise.reject(input === "text" ? "just text" : { status: 500 });
    return "ok";
  };`;
  assert.deepEqual(await linesOf(await begin(source, { input: "text" })), [
    ["error", "Unhandled rejection: Error: just text"],
  ]);
  assert.deepEqual(await linesOf(await begin(source, { input: "object" })), [
    ["error", "Unhandled rejection: Error: an object that is not an Error"],
  ]);
});

test("a rejection that is handled within its turn is not told", async (t) => {
  const { begin } = startSandboxFor(t);
  const source = `async function save() { throw new Error("x"); }
    export default async () => {
      const saved = save();
      await null;
      await saved.catch(() => {});
      return "ok";
    };`;
  assert.deepEqual(await linesOf(await begin(source)), []);
});
