import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLine, type LogLine } from "./log-lines.ts";
import { describeRunError } from "./show-error.ts";
import { createStyle } from "./terminal/style.ts";

const style = createStyle(false);

function lineWith(fields: LogLine["fields"]): string {
  const line = { at: "2026-11-01T00:00:00.000Z", level: "info", message: "called", fields } as LogLine;
  return formatLine(line, style).join("\n");
}

test("neither the names nor the values of a line's fields steer the terminal", () => {
  assert.equal(
    lineWith({ "\u001b[2J": "\u009b2J", "b\u202e": { "\u2066": 1 } }),
    '00:00:00.000 INFO  called \\u001b[2J=\\u009b2J b\\u202e={"\\u2066":1}',
  );
});

test("causes that are no objects are passed over", () => {
  assert.match(lineWith({ causes: [null, 1, { message: "bad weather" }] }), /caused by Error: bad weather/);
  for (const causes of [null, "rain", [null], {}])
    assert.doesNotMatch(lineWith({ causes }), /caused by/, JSON.stringify(causes));
  const error = { code: "function_failed", message: "no luck", details: { causes: [null, { name: "Odd" }] } };
  assert.deepEqual(describeRunError(error as never, style), [
    "function_failed: no luck",
    "  caused by Odd: ",
  ]);
});
