import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskInput } from "../../contracts/task-input.ts";
import { httpTask } from "../testing/samples.ts";
import { chooseInsert } from "./choose-insert.ts";

const HOURLY: TaskInput["schedule"] = { kind: "every", everyMs: 3_600_000 };
const EXPECT = { expect: { withinMs: 60_000 } };

test("plain tasks share a statement; those that may wait for others, or write more than a task, have their own", () => {
  const cases: [TaskInput, ReturnType<typeof chooseInsert>][] = [
    [httpTask({ kind: "now" }), "together"],
    [httpTask(HOURLY), "together"],
    [httpTask(HOURLY, EXPECT), "together"],
    [httpTask({ kind: "now" }, EXPECT), "alone"],
    [httpTask(HOURLY, { key: "nightly" }), "alone"],
    [httpTask({ ...HOURLY, exclude: { dates: ["2026-12-25"] } }, { key: "nightly" }), "transaction"],
  ];
  for (const [input, expected] of cases) assert.equal(chooseInsert(input), expected);
});
