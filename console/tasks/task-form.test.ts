import assert from "node:assert/strict";
import { test } from "node:test";
import { toSchedule } from "./schedule-form.ts";
import { emptyTask, toTaskBody } from "./task-form.ts";

const task = emptyTask("greet");

test("what is the API's default is left out", () => {
  assert.deepEqual(toTaskBody(task), {
    body: { type: "function", function: "greet", input: { name: "world" }, schedule: { every: "10s" } },
    faults: {},
  });
});

test("what was chosen is there; catch-up only where a schedule goes on", () => {
  const chosen = {
    ...task,
    overlap: "wait",
    catchUp: "all",
    maxAttempts: "5",
    queue: "mail",
    timeout: "1m",
  } as const;
  const { body } = toTaskBody(chosen);
  assert.deepEqual(
    [body["overlap"], body["catchUp"], body["retry"]],
    ["wait", { policy: "all" }, { maxAttempts: 5 }],
  );
  assert.deepEqual([body["queue"], body["timeout"]], ["mail", "1m"]);
  const once = toTaskBody({ ...chosen, schedule: { ...task.schedule, kind: "delay" } }).body;
  assert.equal(once["catchUp"], undefined);
});

test("input that is not JSON is told of, and not sent", () => {
  const { body, faults } = toTaskBody({ ...task, input: "{" });
  assert.match(faults["input"]!, /^This is not JSON/);
  assert.ok(!("input" in body));
});

test("zones go with what is civil", () => {
  const form = { ...task.schedule, timezone: "Europe/Rome" };
  assert.deepEqual(toSchedule({ ...form, kind: "cron" }), { cron: "0 9 * * 1-5", timezone: "Europe/Rome" });
  assert.deepEqual(toSchedule({ ...form, kind: "every" }), { every: "10s" });
  assert.equal(toSchedule({ ...form, kind: "at" }), undefined);
  assert.equal(toSchedule({ ...form, kind: "none" }), undefined);
});
