import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/" } as const;

/** Every POST that takes no body, on what is there for it. */
async function listPaths(tenant: TestCaller): Promise<string[]> {
  const schedule = { every: "1h" };
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: { ...HTTP, schedule } });
  const { body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  const { body: dead } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  await api.work(dead.id, { state: "dead", error: { code: "http_status", message: "503" } });
  return [
    ...["run", "pause", "resume"].map((verb) => `/v1/tasks/${task.id}/${verb}`),
    `/v1/dead-letters/${dead.id}/redrive`,
    `/v1/runs/${run.id}/cancel`,
    `/v1/tasks/${task.id}/cancel`,
  ];
}

test("a POST that takes no body refuses a field by its name and does nothing", async () => {
  const tenant = await api.newTenant();
  const paths = await listPaths(tenant);
  const state = async () => [
    (await tenant.call("GET", "/v1/tasks")).body.items,
    (await tenant.call("GET", "/v1/runs")).body.items,
  ];
  const before = await state();
  for (const path of paths) {
    const answer = await tenant.call("POST", path, { body: { revision: 1, colour: null } });
    assertProblem(answer, 422, "invalid_input", ["colour", "revision"]);
    assert.equal((await tenant.call("POST", path, { body: "no JSON" })).status, 400, path);
  }
  assert.deepEqual(await state(), before);
  const unknown = await tenant.call("POST", `/v1/tasks/${randomUUID()}/pause`, { body: {} });
  assertProblem(unknown, 404, "not_found");
});

for (const [name, options] of [
  ["no body", {}],
  ["{}", { body: {} }],
] as const) {
  test(`a POST that takes no body is fine with ${name}`, async () => {
    const tenant = await api.newTenant();
    for (const path of await listPaths(tenant)) {
      const { status, body } = await tenant.call("POST", path, options);
      assert.ok(status === 200 || status === 202, `${path}: ${status} ${JSON.stringify(body)}`);
    }
  });
}
