import assert from "node:assert/strict";
import { test } from "node:test";
import type { z } from "zod";
import { deadLetterListQuery, runFilter, runListQuery, taskRunListQuery } from "./run-filter.ts";
import { labelPairs, taskFilter, taskListQuery } from "./task-filter.ts";

const ID = "01a20a28-a81c-7294-862d-1a27e97c0d32";
const refusedFields = (schema: z.ZodType, given: unknown) =>
  schema.safeParse(given).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);

test("a filter of runs is the same from a query and from JSON, where one value stands for a list of one", () => {
  const rest = {
    ...{ taskId: ID, function: "mail", trigger: "hook", errorCode: "timeout", worker: ID },
    ...{ from: "2026-12-01T09:00:00Z", to: "2026-12-01T12:00:00+02:00" },
  };
  const expected = {
    ...rest,
    state: ["failed"],
    ...{ from: new Date("2026-12-01T09:00:00Z"), to: new Date("2026-12-01T10:00:00Z") },
  };
  assert.deepEqual(runFilter.parse({ state: "failed", ...rest }), expected);
  assert.deepEqual(runFilter.parse({ state: ["failed"], ...rest }), expected);
  assert.deepEqual(runListQuery.parse({ state: ["failed"], ...rest }), { ...expected, limit: 50 });
});

test("a filter of tasks is the same from a query and from JSON", () => {
  const rest = {
    type: "http",
    name: "Report",
    q: "rep",
    function: "mail",
    nextBefore: "2026-12-01T09:00:00Z",
  };
  const expected = {
    ...rest,
    ...{ state: ["paused", "active"], label: ["app=billing"], nextBefore: new Date("2026-12-01T09:00:00Z") },
  };
  assert.deepEqual(
    taskFilter.parse({ state: ["paused", "active"], label: "app=billing", ...rest }),
    expected,
  );
  const query = {
    state: ["paused", "active"],
    label: ["app=billing"],
    ...rest,
    order: "asc",
    count: "estimate",
  };
  assert.deepEqual(taskListQuery.parse(query), { ...expected, limit: 50, order: "asc", count: "estimate" });
});

test("an empty parameter of a list is as good as none; an empty field in JSON is refused, lest it mean all", () => {
  const given = (query: object) => Object.entries(query).filter(([, value]) => value !== undefined);
  const empty = { state: [""], taskId: "", from: "", order: "", count: "" };
  assert.deepEqual(given(runListQuery.parse(empty)), [["limit", 50]]);
  assert.deepEqual(given(taskListQuery.parse({ label: [""], q: "", name: "" })), [["limit", 50]]);
  for (const [schema, given] of [
    [runFilter, { state: "" }],
    [runFilter, { state: [] }],
    [runFilter, { taskId: "" }],
    [runFilter, { errorCode: "" }],
    [runFilter, { function: "" }],
    [taskFilter, { label: "" }],
    [taskFilter, { q: "" }],
    [taskFilter, { name: "" }],
    [taskFilter, { nextAfter: "" }],
  ] as const)
    assert.equal(schema.safeParse(given).success, false, JSON.stringify(given));
});

test("what cannot match is refused with what would", () => {
  for (const [schema, given, refusal] of [
    [runFilter, { state: ["failed", "broken"] }, /^state.1: must be one of scheduled, queued, .*expired$/],
    [runFilter, { trigger: "cron" }, /^trigger: must be one of schedule, manual/],
    [runFilter, { taskId: "a/b" }, /^taskId: must be the id or the key of a task$/],
    [runFilter, { worker: "w" }, /^worker: must be the id of a worker$/],
    [runFilter, { from: "yesterday" }, /^from: must be an RFC 3339 instant/],
    [runFilter, { errorCode: "a\u0000" }, /^errorCode: a code holds no line break/],
    [taskFilter, { state: "running" }, /^state.0: must be one of active, paused, completed, cancelled$/],
    [taskFilter, { type: "sms" }, /^type: must be one of http, email, function$/],
    [taskFilter, { label: "app" }, /^label.0: must be a label and its value, such as "app=billing"$/],
    [taskFilter, { label: "=billing" }, /^label.0: must be a label and its value/],
    [taskFilter, { label: Array(21).fill("a=b") }, /^label: takes at most 20 values$/],
    [taskFilter, { q: "x".repeat(201) }, /^q: holds at most 200 characters$/],
    [taskListQuery, { order: "newest" }, /^order: must be asc or desc$/],
    [taskListQuery, { count: "exact" }, /^count: must be "estimate"$/],
  ] as const) {
    const [first, ...others] = refusedFields(schema, given) ?? [];
    assert.match(first ?? "", refusal);
    assert.deepEqual(others, []);
  }
  for (const schema of [runFilter, taskFilter])
    assert.match(schema.safeParse({ stat: "failed" }).error!.issues[0]!.message, /stat/);
});

test("a list that is narrowed by its path takes no parameter for the same", () => {
  assert.equal("taskId" in taskRunListQuery.shape, false);
  assert.equal("state" in deadLetterListQuery.shape, false);
});

test("a label's value begins after its first equals sign", () => {
  assert.deepEqual(labelPairs(["app=billing", "team=a=b", "empty="]), [
    ["app", "billing"],
    ["team", "a=b"],
    ["empty", ""],
  ]);
});
