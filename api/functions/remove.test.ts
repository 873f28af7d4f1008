/** Removing a function: its name is free, what it left can be read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { line } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const GREET = "/v1/functions/greet";

async function deploy(tenant: TestCaller, value = 1, limits = {}) {
  const body = { source: `export default () => ${value};`, limits };
  const answer = await tenant.call("PUT", GREET, { body });
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  return answer.body;
}

async function invoke(tenant: TestCaller): Promise<string> {
  const { body } = await tenant.call("POST", `${GREET}/invoke`, { headers: { prefer: "respond-async" } });
  return body.runId;
}

async function makeTask(tenant: TestCaller, given = {}) {
  const body = { type: "function", function: "greet", schedule: { every: "1h" }, ...given };
  const answer = await tenant.call("POST", "/v1/tasks", { body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
}

const remove = (tenant: TestCaller) => tenant.call("DELETE", GREET);

test("a removed function is gone by its name; its runs, logs and revisions stay", async () => {
  const tenant = await api.newTenant();
  const { revision } = await deploy(tenant);
  const runId = await invoke(tenant);
  await api.work(runId, { state: "succeeded", result: 7 }, [line("said")]);
  assert.deepEqual((await remove(tenant)).status, 204);
  for (const [method, path] of [
    ["GET", GREET],
    ["DELETE", GREET],
    ["POST", `${GREET}/invoke`],
    ["PUT", `${GREET}/traffic`],
    ["POST", `${GREET}/rollback`],
  ] as const) {
    assertProblem(
      await tenant.call(method, path, method === "PUT" ? { body: { 1: 100 } } : {}),
      404,
      "not_found",
    );
  }
  assert.deepEqual((await tenant.call("GET", "/v1/functions")).body.items, []);
  assert.equal((await tenant.call("GET", `${GREET}/logs`)).body.items[0].message, "said");
  assert.equal((await tenant.call("GET", `${GREET}/revisions`)).body.items[0].id, revision.id);
  assert.equal((await tenant.call("GET", `${GREET}/revisions/1`)).body.percent, 0);
  const { body: run } = await tenant.call("GET", `/v1/runs/${runId}`);
  assert.deepEqual([run.function, run.result, run.revision], ["greet", 7, revision.id]);
  assert.equal((await tenant.call("GET", `/v1/runs/${runId}/logs`)).body.items.length, 1);
});

test("what was queued finds no revision, also where it names one or waits for a permit", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1, { concurrency: 5 });
  const queued = await invoke(tenant);
  const { body: named } = await tenant.call("POST", `${GREET}/invoke?revision=1`, {
    headers: { prefer: "respond-async" },
  });
  await remove(tenant);
  await deploy(tenant, 2);
  for (const runId of [queued, named.runId]) assert.equal((await api.start(runId)).revisionId, null);
});

test("a new upload of the name starts afresh", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1);
  await deploy(tenant, 2);
  await api.work(await invoke(tenant), { state: "succeeded", result: null }, [line("old")]);
  await remove(tenant);
  const { revision } = await deploy(tenant, 1);
  assert.equal(revision.number, 1);
  assert.deepEqual((await tenant.call("GET", `${GREET}/logs`)).body.items, []);
  assert.equal((await tenant.call("GET", `${GREET}/revisions`)).body.items.length, 1);
  assert.equal((await api.start(await invoke(tenant))).revisionId, revision.id);
  assert.equal((await remove(tenant)).status, 204);
});

test("deploys and removals that meet leave one function or none, and no error", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 0);
  for (let round = 0; round < 10; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? deploy(tenant, n) : remove(tenant))),
    );
    for (const answer of answers) assert.ok(!("status" in answer) || [204, 404].includes(answer.status));
    assert.ok((await tenant.call("GET", "/v1/functions")).body.items.length <= 1);
  }
});

test("active tasks keep their function: 409 names them, nothing changes", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const [one, two] = [await makeTask(tenant, { name: "hourly" }), await makeTask(tenant)];
  const refused = await remove(tenant);
  assertProblem(refused, 409, "function_in_use");
  assert.match(refused.body.detail, new RegExp(`2 tasks .*${one.id} \\(hourly\\), ${two.id}`));
  assert.equal((await tenant.call("GET", GREET)).status, 200);
  await tenant.call("POST", `/v1/tasks/${one.id}/pause`);
  await tenant.call("DELETE", `/v1/tasks/${two.id}`);
  assert.equal((await remove(tenant)).status, 204);
});

test("a paused task calls the new function of the name", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1);
  const task = await makeTask(tenant);
  await tenant.call("POST", `/v1/tasks/${task.id}/pause`);
  await remove(tenant);
  const early = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  assert.equal((await api.start(early.body.id)).revisionId, null);
  const { revision } = await deploy(tenant, 2);
  const late = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  assert.equal((await api.start(late.body.id)).revisionId, revision.id);
});

test("removing takes the scope deploy, in the key's own namespace", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const writer = await api.newCaller(tenant.namespaceId, ["read", "write", "invoke"]);
  assertProblem(await remove(writer), 403, "forbidden");
  assertProblem(await remove(await api.newTenant()), 404, "not_found");
  assertProblem(await tenant.call("DELETE", "/v1/functions/No-Name"), 404, "not_found");
  assert.equal((await tenant.call("GET", GREET)).status, 200);
});
