import assert from "node:assert/strict";
import { test } from "node:test";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

/** A task and the ids of its dead runs. */
async function makeDead(tenant: TestCaller, count: number) {
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/", schedule: { every: "1h" } },
  });
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) {
    const { body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
    await api.work(run.id, { state: "dead", error: SAMPLE_ERROR });
    ids.push(run.id);
  }
  return { task, ids };
}

const listed = async (tenant: TestCaller, query = "") => {
  const { body } = await tenant.call("GET", `/v1/dead-letters${query}`);
  return { ids: body.items.map(({ id }: { id: string }) => id) as string[], nextCursor: body.nextCursor };
};

test("dead letters are listed newest first, in pages, and nothing else is", async () => {
  const tenant = await api.newTenant();
  const { task, ids } = await makeDead(tenant, 3);
  await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  const first = await listed(tenant, "?limit=2");
  const rest = await listed(tenant, `?limit=2&cursor=${first.nextCursor}`);
  assert.deepEqual([...first.ids, ...rest.ids], ids.toReversed());
  assert.equal(rest.nextCursor, null);
  const { body } = await tenant.call("GET", "/v1/dead-letters?limit=1");
  assert.deepEqual([body.items[0].state, body.items[0].error], ["dead", SAMPLE_ERROR]);
  assert.ok(body.items[0].finishedAt);
});

test("a redrive queues the run with its next attempt and rings it", async () => {
  const tenant = await api.newTenant();
  const { ids } = await makeDead(tenant, 2);
  const { status, body } = await tenant.call("POST", `/v1/dead-letters/${ids[0]}/redrive`);
  assert.equal(status, 202);
  assert.deepEqual([body.id, body.state, body.attempt, body.error], [ids[0], "queued", 2, null]);
  assert.equal(body.attempts.length, 1, "what was tried stays on record");
  await api.bells.waitFor(({ runId }) => runId === ids[0]);
  assert.deepEqual((await listed(tenant)).ids, [ids[1]]);
});

test("all of a task, or all of the namespace, are redriven at once", async () => {
  const tenant = await api.newTenant();
  const [first, second] = [await makeDead(tenant, 2), await makeDead(tenant, 3)];
  const one = await tenant.call("POST", "/v1/dead-letters/redrive", { body: { taskId: first.task.id } });
  assert.deepEqual([one.status, one.body], [202, { redriven: 2 }]);
  assert.deepEqual((await listed(tenant)).ids, second.ids.toReversed());
  const all = await tenant.call("POST", "/v1/dead-letters/redrive");
  assert.deepEqual([all.status, all.body], [202, { redriven: 3 }]);
  assert.deepEqual((await listed(tenant)).ids, []);
  await api.bells.waitFor(({ runId }) => [...first.ids, ...second.ids].includes(runId), { count: 5 });
});

test("a redrive that is not understood redrives nothing", async () => {
  const tenant = await api.newTenant();
  const { ids } = await makeDead(tenant, 1);
  for (const [body, fields] of [
    [{ taskId: "x" }, ["taskId"]],
    [{ task: ids[0]! }, ["task"]],
  ] as const) {
    assertProblem(await tenant.call("POST", "/v1/dead-letters/redrive", { body }), 422, "invalid_input", [
      ...fields,
    ]);
  }
  for (const body of ["null", "[]", '"all"']) {
    assertProblem(await tenant.call("POST", "/v1/dead-letters/redrive", { body }), 422, "invalid_input");
  }
  assertProblem(await tenant.call("POST", "/v1/dead-letters/redrive", { body: "{" }), 400, "invalid_json");
  assert.deepEqual((await listed(tenant)).ids, ids);
});

test("a discarded dead letter has failed for good", async () => {
  const tenant = await api.newTenant();
  const { ids } = await makeDead(tenant, 1);
  const { status, body } = await tenant.call("DELETE", `/v1/dead-letters/${ids[0]}`);
  assert.deepEqual([status, body], [204, undefined]);
  const run = (await tenant.call("GET", `/v1/runs/${ids[0]}`)).body;
  assert.deepEqual([run.state, run.error], ["failed", SAMPLE_ERROR]);
  assertProblem(await tenant.call("DELETE", `/v1/dead-letters/${ids[0]}`), 404, "not_found");
  assertProblem(await tenant.call("POST", `/v1/dead-letters/${ids[0]}/redrive`), 404, "not_found");
});

test("a run that is no dead letter can be neither redriven nor discarded", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/", schedule: { every: "1h" } },
  });
  const { body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  assertProblem(await tenant.call("POST", `/v1/dead-letters/${run.id}/redrive`), 404, "not_found");
  assertProblem(await tenant.call("DELETE", `/v1/dead-letters/${run.id}`), 404, "not_found");
  assert.equal((await tenant.call("GET", `/v1/runs/${run.id}`)).body.state, "queued");
});
