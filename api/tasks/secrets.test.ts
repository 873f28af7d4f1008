/** `{{secrets.NAME}}` in tasks: shown as written, known when it is written, and put in where its author wrote it alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, work } = await openApi();

async function tenantWith(...names: string[]): Promise<TestCaller> {
  const tenant = await newTenant();
  for (const name of names) await tenant.call("PUT", `/v1/secrets/${name}`, { body: { value: "a value" } });
  return tenant;
}

const later = { schedule: { delay: "1h" } };
const http = (fields: Record<string, Json>): Record<string, Json> => ({
  type: "http",
  url: "https://example.com/",
  ...fields,
});
const email = (fields: Record<string, Json>): Record<string, Json> => ({
  ...{ type: "email", to: "ada@example.com", subject: "Hello", body: "Hello" },
  ...fields,
});
const headers = { Authorization: "Bearer {{secrets.TOKEN}}" };
const TEMPLATED = http({ headers, url: "https://example.com/?k={{secrets.KEY}}", body: ["{{secrets.KEY}}"] });

test("a task shows its templates as they were written, and its runs are told where they stand", async () => {
  const tenant = await tenantWith("TOKEN", "KEY");
  const made = await tenant.call("POST", "/v1/tasks", { body: TEMPLATED });
  assert.equal(made.status, 201);
  const { body: shown } = await tenant.call("GET", `/v1/tasks/${made.body.id}`);
  for (const task of [made.body, shown]) {
    const { headers: shownHeaders, url, body } = task;
    assert.deepEqual(
      { headers: shownHeaders, url, body },
      { headers, url: TEMPLATED["url"], body: TEMPLATED["body"] },
    );
    assert.ok(!("secretsIn" in task));
  }
  const { spec } = await work(made.body.runId, { state: "succeeded", result: null });
  assert.deepEqual("secretsIn" in spec && spec.secretsIn, ["url", "headers", "body"]);
});

test("a secret that is not there is refused by the field that names it, and nothing is made", async () => {
  const tenant = await tenantWith("TOKEN");
  await (await newTenant()).call("PUT", "/v1/secrets/FOREIGN", { body: { value: "a value" } });
  await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1;" } });
  await tenant.call("PUT", "/v1/functions/f/secrets/OWN", { body: { value: "a value" } });
  for (const name of ["GONE", "FOREIGN", "OWN"]) {
    const text = `x {{secrets.${name}}}`;
    for (const [field, body] of [
      ["headers.X-Key", http({ headers: { "X-Key": text } })],
      ["url", http({ url: `https://example.com/?a={{secrets.${name}}}` })],
      ["body", http({ body: { deep: [text] } })],
      ["body", http({ body: text })],
      ["subject", email({ subject: text })],
      ["body", email({ body: text })],
      ["html", email({ html: text })],
    ] as const) {
      const refused = await tenant.call("POST", "/v1/tasks", { body });
      assertProblem(refused, 422, "unknown_secret", [field]);
      assert.match(refused.body.detail, new RegExp(`there is no secret "${name}" in this namespace`));
    }
  }
  const { body } = await tenant.call("POST", "/v1/tasks/batch", {
    body: { items: [http({ headers, ...later }), http({ body: "{{secrets.GONE}}" })] },
  });
  assert.equal(body.items[0].status, 201);
  assert.deepEqual([body.items[1].status, body.items[1].problem.code], [422, "unknown_secret"]);
  assert.equal((await tenant.call("GET", "/v1/tasks")).body.items.length, 1);
});

test("a template that names nothing, or stands where none may, is refused by its field", async () => {
  const tenant = await tenantWith("TOKEN");
  for (const [field, body] of [
    ["body", http({ body: "{{secrets.no-name}}" })],
    ["body", http({ body: { a: "{{secrets.TOKEN" } })],
    ["headers.A", http({ headers: { A: "{{secrets.}}" } })],
    ["url", http({ url: "https://{{secrets.TOKEN}}.example.com/" })],
    ["url", http({ url: "https://example.com/{{secrets.TOKEN}}" })],
    ["to", email({ to: "{{secrets.TOKEN}} <ada@example.com>" })],
    ["body", http({ body: "{{secrets.TOKEN}}".repeat(101) })],
    [
      "on.failure.0.url",
      http({ on: { failure: [{ type: "http", url: "https://example.com/?a={{secrets.TOKEN}}" }] } }),
    ],
  ] as const) {
    const refused = await tenant.call("POST", "/v1/tasks", { body });
    assert.equal(refused.status, 422, JSON.stringify(body));
    assert.equal(refused.body.errors[0].field, field);
  }
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items, []);
});

test("a change is looked at like a new task, and may bring templates and take them away", async () => {
  const tenant = await tenantWith("TOKEN");
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: http({ ...later }) });
  const path = `/v1/tasks/${task.id}`;
  const change = (body: Record<string, Json>) => tenant.call("PATCH", path, { body });
  assertProblem(await change({ body: "{{secrets.GONE}}" }), 422, "unknown_secret", ["body"]);
  const secretsInRun = async () => {
    const { id } = (await tenant.call("POST", `${path}/run`)).body;
    const { spec } = await work(id, { state: "succeeded", result: null });
    return "secretsIn" in spec ? spec.secretsIn : undefined;
  };
  assert.equal((await change({ headers })).status, 200);
  assert.deepEqual(await secretsInRun(), ["headers"]);
  assert.equal((await change({ headers: null })).status, 200);
  assert.equal(await secretsInRun(), undefined);
  await tenant.call("DELETE", "/v1/secrets/TOKEN");
  assert.equal((await change({ name: "any" })).status, 200);
});

test("a body that a run is given may name secrets, by who may write tasks; the task's own says nothing of it", async () => {
  const tenant = await tenantWith("TOKEN", "KEY");
  const invoker = await newCaller(tenant.namespaceId, ["invoke"]);
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: { ...TEMPLATED, ...later } });
  const run = (caller: TestCaller, body: Json) =>
    caller.call("POST", `/v1/tasks/${task.id}/run`, { body: { body } });
  const specOf = async (runId: string) => {
    const { spec } = await work(runId, { state: "failed", error: SAMPLE_ERROR });
    assert.ok(spec.type === "http");
    return spec.secretsIn;
  };
  const given = await run(tenant, ["{{secrets.TOKEN}}"]);
  assert.equal(given.status, 202);
  assert.deepEqual(await specOf(given.body.id), ["url", "headers", "body"]);
  assert.deepEqual(await specOf((await run(invoker, { plain: "{{x}}" })).body.id), ["url", "headers"]);
  assertProblem(await run(tenant, "{{secrets.GONE}}"), 422, "unknown_secret", ["body"]);
  assertProblem(await run(tenant, "{{secrets.no-name}}"), 422, "invalid_input", ["body"]);
  assertProblem(await run(invoker, "{{secrets.TOKEN}}"), 403, "forbidden");

  const replay = (caller: TestCaller, body?: Json) =>
    caller.call("POST", `/v1/runs/${given.body.id}/replay`, body === undefined ? {} : { body });
  assert.deepEqual(await specOf((await replay(invoker)).body.id), ["url", "headers", "body"]);
  assert.deepEqual(await specOf((await replay(tenant, { input: 1 })).body.id), ["url", "headers"]);
  assertProblem(await replay(tenant, { input: "{{secrets.GONE}}" }), 422, "unknown_secret", ["input"]);
  assertProblem(await replay(invoker, { input: "{{secrets.TOKEN}}" }), 403, "forbidden");
});
