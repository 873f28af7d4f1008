import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readChildMessage } from "./read-child-message.ts";

const result = { t: "result", id: 1, result: "null", droppedLines: 0, reused: false, recycle: false };
const log = { t: "log", id: 1, level: "info", message: "m", fields: "", at: 1 };

describe("readChildMessage", () => {
  test("takes what an executor says", () => {
    for (const message of [
      { t: "ready" },
      { t: "over", id: 3, what: "cpu" },
      { t: "unstarted", ids: [3, 4] },
      log,
      result,
      { ...result, loadMs: 4.5 },
      { ...result, result: undefined, code: "function_error" },
      { ...result, result: undefined, code: "function_error", again: "retry", afterMs: 604_800_000 },
    ]) {
      assert.deepEqual(readChildMessage(JSON.stringify(message)), JSON.parse(JSON.stringify(message)));
    }
  });

  const refused: [string, unknown][] = [
    ["no object", 1],
    ["null", null],
    ["an unknown kind", { t: "shutdown" }],
    ["a log of no level", { ...log, level: "fatal" }],
    ["a log whose message is an object", { ...log, message: {} }],
    ["a log at no instant", { ...log, at: 1e300 }],
    ["a result that is no text", { ...result, result: {} }],
    ["a failure of unknown code", { ...result, result: undefined, code: "constructor" }],
    ["a result of no run", { ...result, id: "1" }],
    ["a duration before its beginning", { ...result, loadMs: -1 }],
    ["a duration longer than any", { ...result, loadMs: 1e300 }],
    ["a word on the next attempt that is none", { ...result, again: "never" }],
    ["a wait longer than may be asked for", { ...result, again: "retry", afterMs: 604_800_001 }],
    ["a wait before its beginning", { ...result, again: "retry", afterMs: -1 }],
    ["a count that is none", { ...result, droppedLines: 0.5 }],
  ];
  for (const [name, message] of refused) {
    test(`refuses ${name}`, () => assert.equal(readChildMessage(JSON.stringify(message)), undefined));
  }

  test("takes what stands behind a result for what its run answered", () => {
    const { result: _, ...bare } = result;
    for (const payload of ["null", "no JSON", "", `"${"[".repeat(100_000)}"`])
      assert.deepEqual(readChildMessage(`${JSON.stringify(bare)}\n${payload}`), { ...bare, result: payload });
    assert.equal(readChildMessage(JSON.stringify(bare)), undefined);
  });

  test("refuses what is no JSON", () => assert.equal(readChildMessage("{"), undefined));

  test("refuses a large message of brackets before it is parsed", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    assert.equal(readChildMessage(`{"t":"ready","x":${deep}}`), undefined);
    const text = JSON.stringify({ ...log, message: '[{"'.repeat(30_000) });
    assert.equal(readChildMessage(text)?.t, "log");
  });
});
