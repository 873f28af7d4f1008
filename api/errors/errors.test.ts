/** `/v1/errors`: groups of failures, and what people make of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WireErrorGroup } from "../../core/contracts/error-group.ts";
import { GROUP_HOURS } from "../../core/domain/error-groups.ts";
import { foldErrors } from "../../core/store/errors/fold-errors.ts";
import { untilEventsSettled } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";

const api = await openApi();

async function fail(
  tenant: TestCaller,
  message: string,
  key?: string,
): Promise<{ taskId: string; runId: string }> {
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/", ...(key && { key }) },
  });
  const { body: runs } = await tenant.call("GET", `/v1/tasks/${task.id}/runs`);
  await api.work(runs.items[0].id, { state: "failed", error: { code: "http_status", message } });
  return { taskId: task.id, runId: runs.items[0].id };
}

/** As the scheduler does each second. */
async function fold(): Promise<void> {
  await untilEventsSettled(api.store);
  await foldErrors(api.store, 1_000);
}

const list = async (tenant: TestCaller, query = ""): Promise<WireErrorGroup[]> => {
  const { status, body } = await tenant.call("GET", `/v1/errors${query}`);
  assert.equal(status, 200);
  return body.items;
};

test("failures of one kind are one error, with their count and samples; another namespace's are not seen", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  const first = await fail(tenant, "The server answered 500.");
  const second = await fail(tenant, "The server answered 503.");
  await fail(stranger, "The server answered 500.");
  await fold();
  const errors = await list(tenant);
  const [error] = errors;
  assert.deepEqual(errors, [
    {
      ...{
        fingerprint: error!.fingerprint,
        code: "http_status",
        message: "The server answered 503.",
        count: 2,
      },
      ...{ firstSeenAt: error!.firstSeenAt, lastSeenAt: error!.lastSeenAt },
      ...{ sampleRunIds: [second.runId, first.runId], state: "open" },
      lastDay: error!.lastDay,
    },
  ]);
  assert.equal(error!.lastDay.length, GROUP_HOURS);
  assert.equal(
    error!.lastDay.reduce((sum, count) => sum + count),
    2,
  );
  assert.equal((await list(stranger))[0]!.count, 1);
  const path = `/v1/errors/${error!.fingerprint}`;
  const resolved = await tenant.call("POST", `${path}/resolve`);
  assert.deepEqual([resolved.status, resolved.body], [200, { ...error, state: "resolved" }]);
  assert.equal((await list(stranger))[0]!.state, "open");
  assert.deepEqual((await list(tenant, "?state=open")).length, 0);
  await fail(tenant, "The server answered 502.");
  await fold();
  assert.deepEqual((await list(tenant, "?state=open")).length, 1);
  assert.equal((await tenant.call("POST", `${path}/ignore`)).body.state, "ignored");
  await fail(tenant, "The server answered 502.");
  await fold();
  assert.deepEqual(
    (await list(tenant, "?state=ignored&state=resolved")).map(({ count }) => count),
    [4],
  );
});

test("errors are paged, those that were seen last first, and found by their tasks", async () => {
  const tenant = await api.newTenant();
  const tasks = [];
  for (const what of ["one", "two", "three"]) tasks.push(await fail(tenant, what, `task:${what}`));
  await fold();
  const first = await tenant.call("GET", "/v1/errors?limit=2");
  assert.deepEqual(
    first.body.items.map(({ message }: WireErrorGroup) => message),
    ["three", "two"],
  );
  const second = await tenant.call("GET", `/v1/errors?limit=2&cursor=${first.body.nextCursor}`);
  assert.deepEqual(
    second.body.items.map(({ message }: WireErrorGroup) => message),
    ["one"],
  );
  assert.equal(second.body.nextCursor, null);
  assert.deepEqual(
    (await list(tenant, `?taskId=${tasks[1]!.taskId}`)).map(({ message }) => message),
    ["two"],
  );
  assert.deepEqual(
    (await list(tenant, "?taskId=task:three")).map(({ message }) => message),
    ["three"],
  );
  assert.deepEqual(await list(tenant, "?function=nobody"), []);
});

test("what cannot be is refused by name, what is not there is a 404, and a key needs its scope", async () => {
  const tenant = await api.newTenant();
  for (const [query, field] of [
    ["?state=closed", "state"],
    ["?taskId=not a key", "taskId"],
    ["?taskId=nobody", "taskId"],
    ["?function=No", "function"],
    ["?cursor=x", "cursor"],
    ["?code=x", "code"],
  ] as const) {
    const { status, body } = await tenant.call("GET", `/v1/errors${query}`);
    assert.deepEqual([status, body.errors?.[0]?.field], [422, field], query);
  }
  for (const verb of ["resolve", "ignore"]) {
    assert.equal((await tenant.call("POST", `/v1/errors/${"0".repeat(32)}/${verb}`)).status, 404);
    const reader = await api.newCaller(tenant.namespaceId, ["read"]);
    assert.equal((await reader.call("POST", `/v1/errors/${"0".repeat(32)}/${verb}`)).status, 403);
  }
});
