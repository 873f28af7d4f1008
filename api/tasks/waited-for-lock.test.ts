/** A schedule begins when its task could be changed, not when that was asked for: what fired meanwhile fires once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { untilBlocked } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";

const { newTenant, store } = await openApi();
const HOUR_MS = 3_600_000;
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
const CHANGED = { ...TASK, schedule: { every: "2h" } };

const CHANGES: Record<string, (tenant: TestCaller) => Promise<unknown>> = {
  "a PATCH": (tenant) => tenant.call("PATCH", "/v1/tasks/k", { body: { schedule: CHANGED.schedule } }),
  "a PUT": (tenant) => tenant.call("PUT", "/v1/tasks/k", { body: CHANGED as never }),
  "a set": (tenant) =>
    tenant.call("POST", "/v1/tasks/apply", { body: { items: [{ ...CHANGED, key: "k" }] } as never }),
};

for (const [what, change] of Object.entries(CHANGES))
  test(`${what} that waited for the task's lock`, async () => {
    const tenant = await newTenant();
    const { body: made } = await tenant.call("PUT", "/v1/tasks/k", { body: TASK as never });
    const holder = await store.pool.connect();
    await holder.query("BEGIN");
    await holder.query("SELECT FROM tasks WHERE id = $1 FOR UPDATE", [made.id]);
    const changing = change(tenant);
    await untilBlocked(store);
    const releasedAt = Date.now();
    await holder.query("COMMIT");
    holder.release();
    await changing;
    const { body: changed } = await tenant.call("GET", "/v1/tasks/k");
    assert.deepEqual(changed.schedule, CHANGED.schedule);
    const beganAt = Date.parse(changed.nextRunAt) - 2 * HOUR_MS;
    assert.ok(beganAt >= releasedAt, `it began ${releasedAt - beganAt} ms before the lock was had`);
  });
