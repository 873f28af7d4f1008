/** Every example of docs/schedules.md that a schedule alone decides, as it stands there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toFieldErrors } from "../../core/contracts/plain-words.ts";
import { scheduleField } from "../../core/contracts/task-schedule.ts";
import { describeSchedule } from "../../core/domain/schedule/describe.ts";
import { jitterOffsetMs } from "../../core/domain/schedule/jitter.ts";
import { firstOccurrence, nextOccurrence } from "../../core/domain/schedule/occurrences.ts";
import { readRows, readTables, SCHEDULES, showInstant, toCode } from "./schedule-tables.ts";

const MADE = new Date("2025-01-01T00:00:00Z");
const field = scheduleField(() => MADE);
const HOLIDAYS = new Set(/The calendar `it-holidays` holds (.+?)\./.exec(SCHEDULES)![1]!.split(/, | and /));

/** The zone of a table may stand in its head. */
function toSchedule(text: string, head: string): object | string {
  if (!text.startsWith("{")) return { cron: text };
  return { ...JSON.parse(text), ...JSON.parse(`{${/\(`(.+)`\)/.exec(head)?.[1] ?? ""}}`) };
}

for (const { head, rows } of readTables("after", "fires at"))
  for (const [given, after, instants] of rows) {
    const schedule = toSchedule(toCode(given!), head[0]!);
    test(`${JSON.stringify(schedule)} after ${after}`, () => {
      const read = field.parse(schedule);
      let at: Date | null = new Date(after!);
      for (const instant of instants!.split(", ")) {
        at = nextOccurrence(read, MADE, at!, HOLIDAYS);
        assert.equal(showInstant(at), instant);
      }
    });
  }

for (const [given, made, instant] of readRows("made", "fires at"))
  test(`${given}, made ${made}`, () => {
    const schedule = field.parse(JSON.parse(toCode(given!)));
    assert.equal(showInstant(firstOccurrence(schedule, new Date(made!))), instant);
  });

for (const [text, means] of readRows("text", "means"))
  test(`${text} means ${means}`, () => {
    assert.deepEqual(field.parse(JSON.parse(toCode(text!))), field.parse(JSON.parse(toCode(means!))));
  });

for (const [given, words] of readRows("schedule", "in words"))
  test(`${given} in words`, () => {
    assert.equal(describeSchedule(field.parse(JSON.parse(toCode(given!)))), words);
  });

for (const [id, given, nominal, effective] of readRows("schedule", "instant", "fires at"))
  test(`${given} of the task ${id} at ${nominal}`, () => {
    const schedule = field.parse(JSON.parse(toCode(given!)));
    const at = nextOccurrence(schedule, MADE, new Date(Date.parse(nominal!) - 1))!;
    assert.equal(showInstant(at), nominal);
    const offsetMs = jitterOffsetMs(schedule, toCode(id!));
    assert.equal(showInstant(new Date(at.getTime() + offsetMs)), effective);
  });

const toPath = (inside: string) => (inside === "" ? "schedule" : `schedule.${inside}`);

for (const [given, name, message] of readRows("field", "is refused with"))
  test(`${given} is refused`, () => {
    const { error } = scheduleField(() => new Date("2026-11-28T12:00:00Z")).safeParse(
      JSON.parse(toCode(given!)),
    );
    assert.deepEqual(
      toFieldErrors(error?.issues ?? []).map(({ field, message }) => [toPath(field), message]),
      [[toCode(name!), message]],
    );
  });
