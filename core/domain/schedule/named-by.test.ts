import assert from "node:assert/strict";
import { test } from "node:test";
import { findNamingCron } from "./named-by.ts";

const at = (text: string) => new Date(text);

test("a single expression is the one, whenever its run was asked for", () => {
  const schedule = { expression: "0 9 * * *", timezone: "UTC" };
  assert.equal(findNamingCron(schedule, at("2026-03-01T09:00:00Z")), "0 9 * * *");
  assert.equal(findNamingCron(schedule, at("2026-03-01T09:13:27.001Z")), "0 9 * * *");
});

test("of several it is the one that names the instant, by the clocks of the schedule's zone", () => {
  const schedule = { expression: ["*/15 * * * *", "5 9 * * *", "0 9 * * *"], timezone: "Europe/Rome" };
  assert.equal(findNamingCron(schedule, at("2026-03-01T08:05:00Z")), "5 9 * * *");
  assert.equal(findNamingCron(schedule, at("2026-03-01T08:45:00Z")), "*/15 * * * *");
});

test("of several that name it, and where none does, it is the first", () => {
  const schedule = { expression: ["*/15 * * * *", "0 9 * * *"], timezone: "UTC" };
  assert.equal(findNamingCron(schedule, at("2026-03-01T09:00:00Z")), "*/15 * * * *");
  assert.equal(findNamingCron(schedule, at("2026-03-01T09:13:27Z")), "*/15 * * * *");
});

test("what the clocks' change moves is named by the expression that was moved", () => {
  // 02:30 is not there on 29 March in Rome: it fires an hour later, at 03:30.
  const expression = ["0 12 * * *", "30 2 * * *"];
  assert.equal(
    findNamingCron({ expression, timezone: "Europe/Rome", gap: "shift" }, at("2026-03-29T01:30:00Z")),
    "30 2 * * *",
  );
});

test("a zone that is not known any more fails nothing", () => {
  const schedule = { expression: ["0 9 * * *", "0 10 * * *"], timezone: "Nowhere/Gone" };
  assert.equal(findNamingCron(schedule, at("2026-03-01T10:00:00Z")), "0 9 * * *");
});
