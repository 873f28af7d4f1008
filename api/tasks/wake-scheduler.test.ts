import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { createVirtualTime, type ScheduleTime } from "../../core/schedule-time.ts";
import type { Channel } from "../../core/store/notify.ts";
import { createApp } from "../app.ts";
import { openApi } from "../testing/open-api.ts";
import { wakeScheduler } from "./wake-scheduler.ts";

const { parts, operator } = await openApi();

/** Channels that were rung by POSTs of tasks with these schedules, in their order. */
async function ringsOf(schedules: object[], path = "/v1/tasks"): Promise<Channel[]> {
  const rung: Channel[] = [];
  const notifier = { ...parts.notifier, notify: (channel: Channel) => void rung.push(channel) };
  const app = createApp({ ...parts, notifier });
  const tasks = schedules.map((schedule) => ({ type: "http", url: "https://example.com/", schedule }));
  for (const body of path.endsWith("batch") ? [{ items: tasks }] : tasks) {
    const headers = { authorization: `Bearer ${operator.key}`, "content-type": "application/json" };
    const { status } = await app.request(path, { method: "POST", headers, body: JSON.stringify(body) });
    assert.ok(status < 300, `${status}`);
  }
  return rung;
}

test("schedulers are woken for a task that fires soon, and not for one that they find in time by themselves", async () => {
  assert.deepEqual(await ringsOf([{ delay: "1s" }]), ["bellhop_schedule"]);
  assert.deepEqual(await ringsOf([{ delay: "1h" }, { every: "1d" }]), []);
  assert.deepEqual(await ringsOf([{ delay: "1h" }, { delay: "1s" }], "/v1/tasks/batch"), [
    "bellhop_schedule",
  ]);
});

test("under a clock for tests schedulers are woken for every task: it may be moved past any instant", () => {
  const rung: Channel[] = [];
  const notifier = { notify: (channel: Channel) => void rung.push(channel), flush: async () => {} };
  const time: ScheduleTime = createVirtualTime(new Date());
  wakeScheduler({ notifier, clock: systemClock, time }, new Date(Date.now() + 86_400_000));
  assert.deepEqual(rung, ["bellhop_schedule"]);
});
