/** Every example of an expectation in docs/schedules.md, as it stands there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { expectField } from "../../core/contracts/expect-field.ts";
import { scheduleField } from "../../core/contracts/task-schedule.ts";
import { dueOf } from "../../core/domain/expectation.ts";

const TEXT = readFileSync(join(import.meta.dirname, "../../docs/schedules.md"), "utf8");
const field = scheduleField(() => new Date("2025-01-01T00:00:00Z"));
const EXAMPLES = [...TEXT.matchAll(/^\| (\d{4}-\S+) \| `(.+)` \| `(.+)` \| (\d{4}-\S+) \|$/gm)];

test("there are as many examples as rows", () => assert.equal(EXAMPLES.length, 6));

for (const [, at, schedule, expect, due] of EXAMPLES)
  test(`${expect} of ${schedule} at ${at}`, () => {
    const expectation = expectField.parse(JSON.parse(expect!));
    const dueAt = dueOf(expectation, field.parse(JSON.parse(schedule!)), new Date(at!));
    assert.deepEqual(dueAt, new Date(due!));
  });
