import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi } from "../testing/open-api.ts";

const api = await openApi();

test("GET /v1/activity has a slice for each minute, with what was counted in it", async () => {
  const tenant = await api.newTenant();
  const { status, body } = await tenant.call("GET", "/v1/activity?within=10m");
  assert.equal(status, 200);
  assert.deepEqual([body.step, body.items.length], ["1m", 10]);
  const { at, ...counted } = body.items.at(-1);
  assert.deepEqual(counted, {
    ...{ succeeded: 0, failed: 0, other: 0, lateness: null },
    ...{ waiting: 0, running: 0, workers: null },
  });
  const minute = new Date(body.items.at(-2).at);
  await api.db
    .insertInto("activity_minutes")
    .values({
      ...{ namespace_id: tenant.namespaceId, minute, succeeded: 7, failed: 2, other: 1 },
      ...{ started: 4, late_ms: "2000", latest_ms: "1500", waiting: 3, running: 5 },
    })
    .execute();
  await api.db
    .insertInto("worker_minutes")
    .values({ minute, workers: 2, slots: 200, busy: 9 })
    .onConflict((conflict) => conflict.column("minute").doNothing())
    .execute();
  const find = (items: { at: string }[]) => items.find((each) => each.at === minute.toISOString());
  const again = await tenant.call("GET", "/v1/activity?within=10m");
  assert.deepEqual(find(again.body.items), {
    at: minute.toISOString(),
    ...{ succeeded: 7, failed: 2, other: 1, lateness: { mean: 0.5, max: 1.5 } },
    ...{ waiting: 3, running: 5, workers: null },
  });
  assert.ok(Date.parse(at) > minute.getTime());
  const seen = await api.operator.call("GET", "/v1/activity?within=10m");
  assert.deepEqual((find(seen.body.items) as { workers?: object }).workers, {
    count: 2,
    slots: 200,
    busy: 9,
  });
});

test("the time asked for is bounded", async () => {
  const tenant = await api.newTenant();
  for (const within of ["59s", "25h", "soon"]) {
    const { status, body } = await tenant.call("GET", `/v1/activity?within=${within}`);
    assert.deepEqual([status, body.errors[0].field], [422, "within"], within);
  }
});
