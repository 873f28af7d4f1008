/** Every example of an expectation in docs/schedules.md, as it stands there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { expectField } from "../../core/contracts/expect-field.ts";
import { scheduleField } from "../../core/contracts/task-schedule.ts";
import { dueOf } from "../../core/domain/expectation.ts";
import { readRows, toCode } from "./schedule-tables.ts";

const field = scheduleField(() => new Date("2025-01-01T00:00:00Z"));
for (const [at, schedule, expect, due] of readRows("schedule", "`expect`", "must have succeeded by"))
  test(`${expect} of ${schedule} at ${at}`, () => {
    const expectation = expectField.parse(JSON.parse(toCode(expect!)));
    const dueAt = dueOf(expectation, field.parse(JSON.parse(toCode(schedule!))), new Date(at!));
    assert.deepEqual(dueAt, new Date(due!));
  });
