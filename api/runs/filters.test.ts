import assert from "node:assert/strict";
import { test } from "node:test";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

/** Two tasks with runs, and calls of a function, by what became of them. */
async function makeRuns(tenant: TestCaller) {
  const makeTask = async () =>
    (
      await tenant.call("POST", "/v1/tasks", {
        body: { type: "http", url: "https://example.com/", schedule: { every: "1h" } },
      })
    ).body.id as string;
  const [task, other] = [await makeTask(), await makeTask()];
  const runOf = async (taskId: string): Promise<string> =>
    (await tenant.call("POST", `/v1/tasks/${taskId}/run`)).body.id;
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const succeeded = await runOf(task);
  const { body: call } = await tenant.call("POST", "/v1/functions/greet/invoke", {
    body: {},
    headers: { prefer: "respond-async" },
  });
  const [failed, dead, cancelled, queued] = [
    await runOf(task),
    await runOf(other),
    await runOf(other),
    await runOf(other),
  ];
  const { body: before } = await tenant.call("GET", `/v1/runs/${queued}`);
  const claimed = await api.work(succeeded, { state: "succeeded", result: 1 });
  await api.work(failed, { state: "failed", error: { code: "timeout", message: "late" } });
  await api.work(dead, { state: "dead", error: SAMPLE_ERROR });
  await tenant.call("POST", `/v1/runs/${cancelled}/cancel`);
  const { body: done } = await tenant.call("GET", `/v1/runs/${succeeded}`);
  return {
    ...{ task, other, succeeded, call: call.runId as string, failed, dead, cancelled, queued },
    ...{ worker: done.workerId as string, claimed, before },
  };
}

const listed = async (caller: TestCaller, query: string, path = "/v1/runs"): Promise<string[]> => {
  const { status, body } = await caller.call("GET", `${path}?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.items.map(({ id }: { id: string }) => id);
};

test("runs are found by each parameter, by several at once, and never those of another namespace", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  const runs = await makeRuns(tenant);
  await makeRuns(stranger);
  const { succeeded, call, failed, dead, cancelled, queued } = runs;
  const all = [queued, cancelled, dead, failed, call, succeeded];
  for (const [query, expected] of [
    ["", all],
    ["state=", all],
    ["order=asc", all.toReversed()],
    ["state=succeeded", [succeeded]],
    ["state=queued", [queued, call]],
    ["state=failed&state=dead&state=cancelled", [cancelled, dead, failed]],
    ["state=running", []],
    [`taskId=${runs.task}`, [failed, succeeded]],
    [`taskId=${runs.task}&state=failed`, [failed]],
    ["function=greet", [call]],
    ["function=other", []],
    ["trigger=invoke", [call]],
    ["trigger=manual&order=asc", [succeeded, failed, dead, cancelled, queued]],
    ["errorCode=timeout", [failed]],
    [`errorCode=${SAMPLE_ERROR.code}`, [dead]],
    [`errorCode=${SAMPLE_ERROR.code}&state=failed`, []],
    [`worker=${runs.worker}&state=succeeded`, [succeeded]],
    ["from=2020-01-01T00:00:00Z", all],
    ["to=2020-01-01T00:00:00Z", []],
  ] as const)
    assert.deepEqual(await listed(tenant, query), expected, query);
  assert.equal((await listed(stranger, "")).length, all.length);
  assert.deepEqual(await listed(stranger, `taskId=${runs.task}`), []);
});

test("from and to go by the instant at which a run was recorded, the one that its id tells", async () => {
  const tenant = await api.newTenant();
  const { queued, succeeded } = await makeRuns(tenant);
  const all = await listed(tenant, "");
  const madeAt = new Date(Number.parseInt(queued.replaceAll("-", "").slice(0, 12), 16));
  const after = await listed(tenant, `from=${madeAt.toISOString()}`);
  const before = await listed(tenant, `to=${madeAt.toISOString()}`);
  assert.ok(after.includes(queued) && before.includes(succeeded));
  assert.deepEqual([...after, ...before], all);
});

test("a page goes on where it ended, of the same filter, and says about how many match where it is asked", async () => {
  const tenant = await api.newTenant();
  const { queued, cancelled, dead, failed, succeeded } = await makeRuns(tenant);
  const { body: first } = await tenant.call("GET", "/v1/runs?trigger=manual&limit=2&count=estimate");
  assert.deepEqual(
    first.items.map(({ id }: { id: string }) => id),
    [queued, cancelled],
  );
  assert.equal(first.estimatedCount, 5);
  const { body: second } = await tenant.call(
    "GET",
    `/v1/runs?trigger=manual&limit=5&cursor=${first.nextCursor}`,
  );
  assert.deepEqual(
    second.items.map(({ id }: { id: string }) => id),
    [dead, failed, succeeded],
  );
  assert.deepEqual([second.nextCursor, "estimatedCount" in second], [null, false]);
});

test("a task's runs and dead letters are filtered alike, by all but what they are", async () => {
  const tenant = await api.newTenant();
  const { task, other, failed, succeeded, dead } = await makeRuns(tenant);
  const runs = `/v1/tasks/${task}/runs`;
  assert.deepEqual(await listed(tenant, "state=failed", runs), [failed]);
  assert.deepEqual(await listed(tenant, "order=asc", runs), [succeeded, failed]);
  assert.deepEqual(await listed(tenant, `taskId=${other}`, "/v1/dead-letters"), [dead]);
  assert.deepEqual(await listed(tenant, `taskId=${task}`, "/v1/dead-letters"), []);
  assert.deepEqual(await listed(tenant, "errorCode=timeout", "/v1/dead-letters"), []);
  assertProblem(await tenant.call("GET", `${runs}?taskId=${other}`), 422, "invalid_input", ["taskId"]);
  assertProblem(await tenant.call("GET", "/v1/dead-letters?state=dead"), 422, "invalid_input", ["state"]);
});

test("a parameter that nobody knows, or a value that cannot be, is refused by name", async () => {
  const tenant = await api.newTenant();
  for (const [query, field] of [
    ["status=failed", "status"],
    ["label=app=billing", "label"],
    ["state=broken", "state"],
    ["state=failed&state=broken", "state"],
    ["taskId=7", "taskId"],
    ["function=No%20Name", "function"],
    ["trigger=cron", "trigger"],
    ["trigger=hook&trigger=http", "trigger"],
    ["errorCode=%00", "errorCode"],
    ["worker=w", "worker"],
    ["from=yesterday", "from"],
    ["to=2026-13-01T00:00:00Z", "to"],
    ["order=up", "order"],
    ["count=exact", "count"],
    ["cursor=%25", "cursor"],
  ] as const)
    assertProblem(await tenant.call("GET", `/v1/runs?${query}`), 422, "invalid_input", [field]);
});
