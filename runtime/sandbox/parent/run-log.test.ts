import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLine } from "../invocation.ts";
import { RunLog } from "./run-log.ts";

const message = { t: "log", id: 1, level: "info", message: "m", fields: "", at: 0 } as const;

test("an executor that ignores the limits is cut all the same", () => {
  const lines: LogLine[] = [];
  const log = new RunLog((line) => lines.push(line), 1_000);
  log.add({ ...message, message: "é".repeat(50_000) });
  assert.ok(Buffer.byteLength(lines[0]!.message) <= 8_192);
  for (let i = 0; i < 2_000; i++) log.add(message);
  log.drop(7);
  log.close();
  assert.equal(lines.length, 1_001);
  assert.equal(lines.at(-1)!.message, "1,008 more log lines were dropped: this run may log 1,000.");
});

test("the lines of a run are bounded in bytes together, and what comes after says so", () => {
  const lines: LogLine[] = [];
  const log = new RunLog((line) => lines.push(line), 1_000);
  const line = { ...message, message: "x".repeat(4_000), fields: JSON.stringify({ a: "y".repeat(3_990) }) };
  for (let i = 0; i < 200; i++) log.add(line);
  log.add(message);
  log.close();
  assert.equal(lines.length, 125 + 1);
  assert.equal(
    lines.at(-1)!.message,
    "76 more log lines were dropped: the lines of a run take at most 1,000,000 bytes.",
  );
});

test("fields that are no JSON object are left out", () => {
  const lines: LogLine[] = [];
  const log = new RunLog((line) => lines.push(line), 1_000);
  for (const fields of ["{", "[1]", "null", `{"a":"${"x".repeat(9_000)}"}`, '{"a":1}'])
    log.add({ ...message, fields });
  log.close();
  assert.deepEqual(
    lines.map(({ fields }) => fields),
    [undefined, undefined, undefined, undefined, { a: 1 }],
  );
});
