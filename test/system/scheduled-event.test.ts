/** What `scheduled(event, env, ctx)` hears of its task, from the API to the isolate. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCluster } from "./cluster.ts";
import { eventually, type Listed, type WireRun } from "./runs.ts";

const cluster = await startCluster({ schedulers: 1, workers: 1 });
after(() => cluster.stop());

const { api } = cluster;

/** The result of a run that the task's schedule made. */
async function resultBy(schedule: object): Promise<unknown> {
  const task = { type: "function", function: "told", schedule };
  const { id } = await api.call<{ id: string }>("POST", "/v1/tasks", task);
  const { items } = await eventually(
    "a run that has ended",
    () => api.call<Listed<WireRun>>("GET", `/v1/tasks/${id}/runs`),
    ({ items: runs }) => runs.some(({ state }) => state === "succeeded"),
  );
  return items.find(({ state }) => state === "succeeded")?.result;
}

test("event.cron is the expression of its task, the one of several that named the instant, and empty of none", async () => {
  await api.call("PUT", "/v1/functions/told", {
    source: "export default { scheduled: (event) => [event.cron, event.cron.split(' ').length] };",
  });
  assert.deepEqual(await resultBy({ cron: "* * * * * *", maxRuns: 1 }), ["* * * * * *", 6]);
  const several = { cron: ["0 0 29 2 *", "* * * * * *"], timezone: "Europe/Rome", maxRuns: 1 };
  assert.deepEqual(await resultBy(several), ["* * * * * *", 6]);
  assert.deepEqual(await resultBy({ every: "1s", maxRuns: 1 }), ["", 1]);
  assert.deepEqual(await resultBy({ delay: "1s" }), ["", 1]);
});
