import assert from "node:assert/strict";
import { test } from "node:test";
import { createStyle } from "../terminal/style.ts";
import { EventRates } from "./event-rates.ts";
import { renderTop, type TopState } from "./render-top.ts";

const NOW = Date.parse("2026-11-29T09:00:00Z");
const queue = (name: string, running: number, waiting: number) =>
  ({ name, running, waiting, paused: false, oldestWaitingAt: null, waitingFor: { slot: waiting } }) as never;
const state: TopState = {
  where: "http://127.0.0.1:8080",
  queues: [queue("default", 1, 0), queue("mail", 2, 30)],
  workers: [{ slots: 100, free: 97, draining: true } as never],
  errors: [
    {
      code: "http_status",
      message: "The server\nanswered 503.",
      count: 12,
      lastSeenAt: "2026-11-29T08:59:57Z",
    } as never,
  ],
  perMinute: { started: 5, succeeded: 4, failed: 1 },
  recent: [{ at: "2026-11-29T09:00:00Z", what: "failed", of: "hello", isFailure: true }],
  trouble: undefined,
};
const frame = { width: 80, height: 30, nowMs: NOW, style: createStyle(false) };

test("it tells of workers, backlog, rates, queues by their load, and what fails", () => {
  const screen = renderTop(state, frame).join("\n");
  assert.match(screen, /workers {3}1, 3 of 100 slots taken, 1 draining/);
  assert.match(screen, /backlog {3}30 waiting, 3 running/);
  assert.match(screen, /a minute {2}5 started, 4 succeeded, 1 failed/);
  assert.match(screen, /mail(.|\n)*default/);
  assert.match(screen, /http_status +12 +3\.0s ago +The server⏎answered 503\./);
  assert.match(screen, /failed +hello/);
});

test("no line is wider and no screen higher than the terminal", () => {
  const lines = renderTop({ ...state, trouble: "x".repeat(200) }, { ...frame, width: 40, height: 8 });
  assert.equal(lines.length, 8);
  for (const line of lines) assert.ok(line.length <= 40, line);
  assert.equal(lines.at(-1), "q ends it");
});

test("rates are of the last minute", () => {
  const rates = new EventRates();
  for (const at of [0, 30_000, 59_000]) rates.add("started", at);
  assert.equal(rates.count("started", 59_500), 3);
  assert.equal(rates.count("started", 60_000), 2);
  assert.equal(rates.count("started", 200_000), 0);
  assert.equal(rates.count("failed", 0), 0);
});
