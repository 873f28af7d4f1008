import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLine } from "../log-lines.ts";
import { OtherLines } from "./other-lines.ts";

const line = (runId: string) => ({ runId }) as LogLine;

test("lines of others are shown as they come, lines of own runs never, also where they come before the id", async () => {
  const shown: string[] = [];
  const lines = new OtherLines(({ runId }) => void shown.push(runId));
  lines.add(line("before"));
  let answer = (_runId: string | undefined) => {};
  const begun = lines.begin(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  lines.add(line("own"));
  lines.add(line("meanwhile"));
  assert.deepEqual(shown, ["before"]);
  answer("own");
  assert.equal(await begun, "own");
  lines.add(line("own"));
  lines.add(line("after"));
  assert.deepEqual(shown, ["before", "meanwhile", "after"]);
});

test("a run that does not begin holds nothing back", async () => {
  const shown: string[] = [];
  const lines = new OtherLines(({ runId }) => void shown.push(runId));
  const begun = lines.begin(() => Promise.reject(new Error("refused")));
  lines.add(line("other"));
  await assert.rejects(begun, /refused/);
  assert.deepEqual(shown, ["other"]);
});
