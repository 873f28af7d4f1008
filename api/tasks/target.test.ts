/** Tasks that name a revision of their function. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

/** Two revisions, the first one tagged; their ids. */
async function deploy(tenant: TestCaller, name = "greet"): Promise<string[]> {
  const put = async (value: number, more = {}) => {
    const body = { source: `export default () => ${value};`, ...more };
    return (await tenant.call("PUT", `/v1/functions/${name}`, { body })).body.revision.id;
  };
  return [await put(1, { tag: "stable" }), await put(2)];
}

const make = (tenant: TestCaller, given: Record<string, string | number>) =>
  tenant.call("POST", "/v1/tasks", {
    body: { type: "function", function: "greet", schedule: { every: "1h" }, ...given },
  });

/** The revision that a worker would run for the task now. */
async function revisionOf(tenant: TestCaller, taskId: string): Promise<string | null> {
  const { body } = await tenant.call("POST", `/v1/tasks/${taskId}/run`);
  const run = await api.work(body.id, { state: "succeeded", result: null });
  return run.revisionId;
}

test("a task runs the revision it names, whatever the traffic", async () => {
  const tenant = await api.newTenant();
  const [one, two] = await deploy(tenant);
  for (const [given, shown, expected] of [
    [{ revision: "1" }, { revision: one }, one],
    [{ revision: 1 }, { revision: one }, one],
    [{ revision: one! }, { revision: one }, one],
    [{ tag: "stable" }, { tag: "stable" }, one],
    [{}, {}, two],
  ] as const) {
    const { status, body } = await make(tenant, given);
    assert.equal(status, 201, JSON.stringify(body));
    const { tag, revision } = body;
    assert.deepEqual(JSON.parse(JSON.stringify({ tag, revision })), shown);
    assert.equal(await revisionOf(tenant, body.id), expected);
  }
});

test("a tag is looked up when a run starts; one that is gone reaches nothing", async () => {
  const tenant = await api.newTenant();
  const [, two] = await deploy(tenant);
  const { body: task } = await make(tenant, { tag: "stable" });
  await tenant.call("PUT", "/v1/functions/greet/tags/stable", { body: { revision: "2" } });
  assert.equal(await revisionOf(tenant, task.id), two);
  await tenant.call("DELETE", "/v1/functions/greet/tags/stable");
  assert.equal(await revisionOf(tenant, task.id), null);
});

test("what the function does not have is refused by its field, and nothing is made", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const before = await api.countRows();
  for (const [given, field] of [
    [{ tag: "none" }, "tag"],
    [{ tag: "No Tag" }, "tag"],
    [{ revision: "9" }, "revision"],
    [{ revision: 9 }, "revision"],
    [{ revision: 1.5 }, "revision"],
    [{ revision: "" }, "revision"],
    [{ tag: "stable", revision: "1" }, "tag"],
  ] as const) {
    assertProblem(await make(tenant, given), 422, "invalid_input", [field]);
  }
  const url = "https://example.com/";
  const http = await tenant.call("POST", "/v1/tasks", { body: { type: "http", url, tag: "stable" } });
  assertProblem(http, 422, "invalid_input", ["tag"]);
  assert.deepEqual(await api.countRows(), before);
});

test("a change may name another one, or none; what stands must fit another function", async () => {
  const tenant = await api.newTenant();
  const [one, two] = await deploy(tenant);
  await tenant.call("PUT", "/v1/functions/other", { body: { source: "export default 1" } });
  const { body: task } = await make(tenant, { tag: "stable" });
  const patch = (body: Record<string, string | null>) =>
    tenant.call("PATCH", `/v1/tasks/${task.id}`, { body });
  assertProblem(await patch({ function: "other" }), 422, "invalid_input", ["tag"]);
  const { body: changed } = await patch({ tag: null, revision: "1" });
  assert.deepEqual([changed.tag, changed.revision], [undefined, one]);
  assert.equal(await revisionOf(tenant, task.id), one);
  await patch({ revision: null });
  assert.equal(await revisionOf(tenant, task.id), two);
});
