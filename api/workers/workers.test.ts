import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import { renewLease } from "../../core/store/workers.ts";
import { openApi } from "../testing/open-api.ts";

const api = await openApi();

test("GET /v1/workers lists who holds a lease, and how many slots are free", async () => {
  const [here, gone] = [newId(), newId()];
  const facts = { host: "10.0.0.9", pid: 42, slots: 8, callToken: "secret-token" };
  await renewLease(api.db, { ...facts, id: here, busy: 3 }, 60_000, true);
  await renewLease(api.db, { ...facts, id: gone }, -1_000, false);
  const { status, body } = await api.operator.call("GET", "/v1/workers");
  assert.equal(status, 200);
  const find = (id: string) => body.items.find((item: { id: string }) => item.id === id);
  const { since, ...worker } = find(here);
  assert.equal(find(gone), undefined);
  assert.deepEqual(worker, {
    id: here,
    host: "10.0.0.9",
    pid: 42,
    slots: 8,
    free: 5,
    receive: "queue",
    draining: true,
  });
  assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000);
});

test("they run every namespace's work: an operator sees them, and no namespace's administrator", async () => {
  const tenant = await api.newTenant();
  const { status, body } = await tenant.call("GET", "/v1/workers");
  assert.deepEqual([status, body.code], [403, "forbidden"]);
});
