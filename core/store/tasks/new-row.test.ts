/** What is written by hand of a new task is what the JSON writer would make of it, whatever it was made with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "../../contracts/task-output.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { TaskSpec } from "../../domain/task-spec.ts";
import { JsonSource } from "../../json-source.ts";
import { newId } from "../ids.ts";
import { type GivenTask, httpTask } from "../testing/samples.ts";
import { findFirst } from "./first-instant.ts";
import { toRow } from "./new-row.ts";
import { fromSpecColumn, type StoredSpec } from "./spec-column.ts";

const NOW = new Date("2026-06-01T12:00:00.000Z");
const FACTS = { functionId: null, runId: null, traceparent: undefined };

function taskOf(schedule: Schedule, given: GivenTask = {}): Task {
  return {
    ...httpTask(schedule, given),
    ...{ id: newId(), namespaceId: newId(), state: "active" },
    nextRunAt: schedule.kind === "now" ? null : findFirst(schedule, NOW, undefined),
    ...{ scheduleError: null, pausedAt: null, pausedReason: null, createdAt: NOW, updatedAt: NOW },
  };
}

const parse = (text: string): unknown => JSON.parse(text);

const SCHEDULES: Schedule[] = [
  { kind: "now" },
  { kind: "once", at: "2026-12-01T09:00:00.000Z" },
  { kind: "once", at: "2026-12-31T09:00:00.000Z" },
  {
    kind: "once",
    at: "2026-12-01T08:00:00.000Z",
    local: { at: "2026-12-01T09:00", timezone: "Europe/Rome" },
  },
  { kind: "delay", delayMs: 60_000 },
  { kind: "cron", expression: "0 9 * * 1-5", timezone: "Europe/Rome" },
  // No caller of the API can have them stored; whoever calls the store can.
  { kind: "once", at: "2026-12-01T09:00:00Z" },
  { kind: "once", at: "2026-12-01T09:00:00.000+02:00" },
  { kind: "once", at: '1 Dec 2026 09:00 UTC (",")' },
  { kind: "once", at: "1 Dec 2026 09:00 UTC (\\)" },
];

for (const schedule of SCHEDULES)
  test(`a schedule and its event: ${JSON.stringify(schedule)}`, () => {
    const task = taskOf(schedule);
    const row = toRow(task, FACTS);
    assert.deepEqual(parse(row.schedule), schedule);
    assert.deepEqual(parse(row.told), {
      ...{ name: null, type: "http", state: "active", pausedReason: null },
      nextRunAt: task.nextRunAt?.toISOString() ?? null,
    });
  });

test("an instant that is none is refused", () => {
  assert.throws(() => toRow(taskOf({ kind: "once", at: '","x":"' }), FACTS), RangeError);
});

test("what PostgreSQL refuses of a text that is part of an instant is replaced", () => {
  const { schedule } = toRow(taskOf({ kind: "once", at: "1 Dec 2026 09:00 UTC (\u0000)" }), FACTS);
  assert.deepEqual(parse(schedule), { kind: "once", at: "1 Dec 2026 09:00 UTC (\ufffd)" });
});

test("a name, and why it is paused, with all that has to be escaped", () => {
  const task = { ...taskOf({ kind: "now" }, { name: '"\\\n\u0000\ud800é' }), pausedReason: '"' };
  const { name, told } = toRow(task as Task, FACTS);
  const stored = '"\\\n\ufffd\ufffdé';
  assert.equal(parse(name!), stored);
  assert.deepEqual(parse(told), {
    ...{ name: stored, type: "http", state: "active", pausedReason: '"', nextRunAt: null },
  });
});

const BODIES: [written: string, stored: string][] = [
  [
    '{"a": 1.0, "quoted": "say \\"no\\", \\\\ and \\/"}',
    '{"a": 1.0, "quoted": "say \\"no\\", \\\\ and \\/"}',
  ],
  ['"a text with \\"quotes\\""', '"a text with \\"quotes\\""'],
  ['["\\u0000", "\\ud800", "\\uD83D\\uDE00"]', '["\\ufffd", "\\ufffd", "\\uD83D\\uDE00"]'],
  ["null", "null"],
];

for (const [written, stored] of BODIES)
  test(`a body as its author wrote it, and as a value: ${written}`, () => {
    const { spec } = httpTask({ kind: "now" });
    const given = { ...spec, body: new JsonSource(written) } as unknown as TaskSpec;
    const row = parse(toRow(taskOf({ kind: "now" }, { spec: given }), FACTS).spec) as StoredSpec;
    assert.deepEqual(row, { ...spec, bodyText: written, body: parse(stored) });
    assert.deepEqual(fromSpecColumn(row), given);
  });

test("a body that is a text, or of parts, without its source", () => {
  const { spec } = httpTask({ kind: "now" });
  for (const body of ['"quoted"', { a: ["\u0000", "\ud800"] }, null]) {
    const given = { ...spec, body } as unknown as TaskSpec;
    const row = parse(toRow(taskOf({ kind: "now" }, { spec: given }), FACTS).spec);
    const stored = body !== null && typeof body === "object" ? { a: ["\ufffd", "\ufffd"] } : body;
    assert.deepEqual(row, { ...spec, body: stored });
  }
});
