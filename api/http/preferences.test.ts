/** `Prefer: return=minimal`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi } from "../testing/open-api.ts";

const api = await openApi();
const tenant = await api.newTenant();
const headers = { prefer: "return=minimal" };
const TASK = { type: "http", url: "https://example.com/", schedule: { delay: "1h" } } as const;

test("what is made is told of by its address alone", async () => {
  const made = await tenant.call("POST", "/v1/tasks", { body: TASK, headers });
  assert.deepEqual([made.status, made.body], [201, undefined]);
  assert.equal(made.headers.get("preference-applied"), "return=minimal");
  const { body } = await tenant.call("GET", made.headers.get("location")!);
  assert.equal(body.url, TASK.url);
});

test("what is changed is a 204", async () => {
  const { id } = (await tenant.call("POST", "/v1/tasks", { body: TASK })).body;
  for (const [method, path, body] of [
    ["PATCH", `/v1/tasks/${id}`, { name: "another" }],
    ["POST", `/v1/tasks/${id}/pause`, {}],
    ["POST", `/v1/tasks/${id}/resume`, {}],
    ["PUT", "/v1/settings", { on: null }],
  ] as const) {
    const { status, headers: answered, body: shown } = await tenant.call(method, path, { body, headers });
    assert.deepEqual([status, shown], [204, undefined], path);
    assert.equal(answered.get("preference-applied"), "return=minimal", path);
  }
  assert.equal((await tenant.call("GET", `/v1/tasks/${id}`)).body.name, "another");
});

test("of each item of a batch only the id of its task is told, and what is wrong with one that is refused", async () => {
  const items = [TASK, { ...TASK, name: "\u0000" }, { ...TASK, key: "named" }];
  const batch = await tenant.call("POST", "/v1/tasks/batch", { body: { items }, headers });
  assert.equal(batch.status, 200);
  assert.equal(batch.headers.get("preference-applied"), "return=minimal");
  const [first, refused, named] = batch.body.items;
  assert.deepEqual([refused.status, refused.problem.code], [422, "invalid_input"]);
  for (const made of [first, named]) {
    assert.deepEqual(Object.keys(made), ["status", "id"]);
    assert.equal(made.status, 201);
    assert.equal((await tenant.call("GET", `/v1/tasks/${made.id}`)).body.url, TASK.url);
  }
  const whole = await tenant.call("POST", "/v1/tasks/batch", { body: { items: [TASK] } });
  assert.equal(whole.headers.get("preference-applied"), null);
  assert.equal(whole.body.items[0].task.url, TASK.url);
});

test("a repetition under an idempotency key has no body either", async () => {
  const given = { body: TASK, headers: { ...headers, "idempotency-key": "once" } };
  const first = await tenant.call("POST", "/v1/tasks", given);
  const second = await tenant.call("POST", "/v1/tasks", given);
  assert.deepEqual([second.status, second.body], [201, undefined]);
  assert.equal(second.headers.get("location"), first.headers.get("location"));
});

test("what was asked for is shown all the same: a dry run, a read, a refusal", async () => {
  const planned = await tenant.call("PUT", "/v1/tasks/nightly?dryRun=true", { body: TASK, headers });
  assert.deepEqual([planned.status, planned.body.change], [200, "created"]);
  assert.equal((await tenant.call("GET", "/v1/tasks", { headers })).status, 200);
  const refused = await tenant.call("POST", "/v1/tasks", { body: {}, headers });
  assert.deepEqual([refused.status, refused.body.code], [422, "invalid_input"]);
});

test("other preferences change nothing; among them it is found", async () => {
  for (const prefer of ["return=representation", "respond-async", "x-return=minimalist"]) {
    const answer = await tenant.call("POST", "/v1/tasks", { body: TASK, headers: { prefer } });
    assert.equal(answer.body?.url, TASK.url, prefer);
    assert.equal(answer.headers.get("preference-applied"), null, prefer);
  }
  for (const prefer of ["wait=5, return=minimal", 'return="minimal"; foo', "Return = Minimal"]) {
    const answer = await tenant.call("POST", "/v1/tasks", { body: TASK, headers: { prefer } });
    assert.equal(answer.body, undefined, prefer);
  }
});
