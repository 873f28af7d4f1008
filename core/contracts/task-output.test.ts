import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../json.ts";
import { taskInput } from "./task-input.ts";
import { type Task, toTaskDefinition, toWireTask } from "./task-output.ts";

const NOW = new Date("2026-06-01T12:00:00.000Z");
const schema = taskInput(() => NOW);

function toTask(input: JsonObject): Task {
  return {
    ...schema.parse(input),
    id: "01980000-0000-7000-8000-000000000001",
    namespaceId: "01980000-0000-7000-8000-000000000002",
    state: "active",
    nextRunAt: NOW,
    scheduleError: null,
    pausedAt: null,
    pausedReason: null,
    createdAt: NOW,
    updatedAt: NOW,
  };
}

const ONES_OF_EACH: JsonObject[] = [
  { type: "http", url: "https://example.com" },
  {
    type: "http",
    name: "hook",
    url: "https://example.com",
    method: "POST",
    headers: { a: "b" },
    body: "raw",
    followRedirects: false,
    expectStatus: [200, 404],
    schedule: { every: "90s" },
    retry: { maxAttempts: 2, backoff: { initial: "1500ms", factor: 3, max: "1h", jitter: false } },
    timeout: "1500ms",
    deadLetter: false,
    labels: { team: "ops" },
  },
  { type: "http", url: "https://example.com", body: null, schedule: { delay: "0s" } },
  {
    type: "email",
    from: "Bell <bell@example.com>",
    to: ["ada@example.com", "bob@example.com"],
    cc: "c@example.com",
    subject: "s",
    html: "<p>h</p>",
    attachments: [{ filename: "a.txt", content: "aGk=", contentType: "text/plain" }],
    schedule: { at: "2026-12-01T10:00:00+01:00" },
  },
  {
    type: "function",
    function: "greet",
    input: { name: "Ada" },
    schedule: { cron: "0 9 * * *", timezone: "Europe/Rome" },
  },
];

test("a definition that is shown can be sent back and means the same", () => {
  for (const given of ONES_OF_EACH) {
    const task = toTask(given);
    assert.deepEqual(toTask(toTaskDefinition(task)), task);
  }
});

test("a shown task holds what Bellhop knows, and neither its namespace nor anything unserialisable", () => {
  const shown = toWireTask(toTask({ type: "http", url: "https://example.com", schedule: { every: "90s" } }));
  assert.deepEqual(JSON.parse(JSON.stringify(shown)), shown);
  assert.equal(shown["nextRunAt"], "2026-06-01T12:00:00.000Z");
  assert.equal(shown["timeout"], "30s");
  assert.deepEqual(shown["schedule"], { every: "90s" });
  assert.ok(!("namespaceId" in shown));
  assert.equal(toWireTask(toTask({ type: "http", url: "https://example.com" }))["schedule"], null);
});
