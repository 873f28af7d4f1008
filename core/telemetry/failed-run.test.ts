import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { describeFailedRun, type FailedRun, renderFailedRun, takesColour } from "./failed-run.ts";

const AT = "2026-11-28T07:30:00.123Z";
const RUN: FailedRun = {
  ...{ runId: "run-1", taskId: null, type: "function", function: "charge", trigger: "invoke" },
  ...{ code: "function_error", attempt: 1, isDead: false },
};

/** Its line as the log writes it. */
function lineOf(given: Partial<FailedRun> = {}): string {
  const { fields, message } = describeFailedRun({ ...RUN, ...given });
  return `${JSON.stringify({ level: "warn", time: AT, ...fields, msg: message })}\n`;
}

test("a failed run is one line of text: when, what, by which trigger, why, after how many attempts", () => {
  const cases: [Partial<FailedRun>, string][] = [
    [{}, "function charge, trigger invoke, function_error, 1 attempt, run run-1"],
    [
      { taskId: "task-1", trigger: "schedule", attempt: 4, isDead: true },
      "function charge of task task-1, trigger schedule, function_error, 4 attempts, dead letter run-1",
    ],
    [
      { taskId: "task-1", type: "http", function: undefined, trigger: "manual", code: "http_status" },
      "http task task-1, trigger manual, http_status, 1 attempt, run run-1",
    ],
  ];
  for (const [given, text] of cases)
    assert.equal(renderFailedRun(lineOf(given), false), `${AT} run failed: ${text}\n`);
});

test("every other line stays as it is, whatever it says", () => {
  for (const fields of [{ msg: "run failed" }, { msg: '"event":"run_failed"' }, { event: "another" }])
    assert.equal(renderFailedRun(`${JSON.stringify(fields)}\n`, true), undefined);
});

test("nothing in a line reaches the terminal as a command", () => {
  const given = { function: "a\x1b[2Jb\r\nc\u009b\u202e", code: "x\x07\u2028y", runId: "r\x00" };
  const text = renderFailedRun(lineOf(given), false)!;
  assert.equal(
    text,
    `${AT} run failed: function a\uFFFD[2Jb\uFFFD\uFFFDc\uFFFD\uFFFD, trigger invoke, x\uFFFD\uFFFDy, 1 attempt, run r\uFFFD\n`,
  );
  // With colour there is nothing but colour.
  const coloured = renderFailedRun(lineOf(given), true)!;
  assert.ok(coloured.includes("\x1b[31mrun failed\x1b[0m"));
  assert.equal(stripVTControlCharacters(coloured), text);
});

test("only a terminal takes colour, and not where somebody said no", () => {
  assert.equal(takesColour({ isTTY: true }, { TERM: "xterm" }), true);
  assert.equal(takesColour({}, { TERM: "xterm" }), false);
  assert.equal(takesColour({ isTTY: true }, { NO_COLOR: "1" }), false);
  assert.equal(takesColour({ isTTY: true }, { TERM: "dumb" }), false);
});
