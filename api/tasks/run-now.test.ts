/** A run on somebody's word, with another input than its task's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/", method: "POST", body: { of: "the task" } };
const FUNCTION = { type: "function", function: "greet", input: { of: "the task" } };
const EMAIL = { type: "email", to: "ada@example.com", subject: "Hello", body: "Hello" };

async function makeTask(tenant: TestCaller, spec: Record<string, Json>): Promise<string> {
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const body = { ...spec, schedule: { every: "1h" } };
  const answer = await tenant.call("POST", "/v1/tasks", { body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.id;
}

/** @param body JSON text */
const run = (tenant: TestCaller, taskId: string, body?: string, headers = {}) =>
  tenant.call("POST", `/v1/tasks/${taskId}/run`, { ...(body === undefined ? {} : { body }), headers });

/** What a worker is given. */
const specOf = async (runId: string) => (await api.start(runId)).spec as { input?: Json; body?: unknown };

test("an input that is given stands in for the task's in this run alone", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant, FUNCTION);
  for (const input of ['{"order": 7}', "null", "[1]", '"text"', "0"]) {
    const answer = await run(tenant, taskId, `{"input": ${input}}`);
    assert.equal(answer.status, 202);
    assert.deepEqual([answer.body.trigger, answer.body.taskId], ["manual", taskId]);
    await api.bells.waitFor(({ runId }) => runId === answer.body.id);
    assert.deepEqual((await specOf(answer.body.id)).input, JSON.parse(input));
  }
  for (const body of [undefined, "", "{}"])
    assert.deepEqual((await specOf((await run(tenant, taskId, body)).body.id)).input, FUNCTION.input);
  assert.deepEqual((await tenant.call("GET", `/v1/tasks/${taskId}`)).body.input, FUNCTION.input);
});

test("an http task's run sends the body that is given, to the letter", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant, HTTP);
  for (const text of ['{"order":1234567890123456789, "z": "a\\u0000b"}', "null", "[ ]", "1.0"]) {
    const { body: made } = await run(tenant, taskId, `{ "body" : ${text} }`);
    assert.equal(((await specOf(made.id)).body as { text: string }).text, text);
  }
  const { body: plain } = await run(tenant, taskId, '{"body": "a=1"}');
  assert.equal((await specOf(plain.id)).body, "a=1");
});

test("what the run was given is what a replay of it gets", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant, FUNCTION);
  const { body: made } = await run(tenant, taskId, '{"input": {"order": 7}}');
  await api.work(made.id, { state: "succeeded", result: 1 });
  const { body: again } = await tenant.call("POST", `/v1/runs/${made.id}/replay`);
  assert.deepEqual((await specOf(again.id)).input, { order: 7 });
});

test("a field that a task of the type does not have is refused by its name, and nothing is made", async () => {
  const tenant = await api.newTenant();
  const tasks = {
    http: await makeTask(tenant, HTTP),
    function: await makeTask(tenant, FUNCTION),
    email: await makeTask(tenant, EMAIL),
  };
  const rows = await api.countRows();
  for (const [type, body, field] of [
    ["http", '{"input": 1}', "input"],
    ["http", '{"body": 1, "input": null}', "input"],
    ["http", '{"body": "a\\u0000b"}', "body"],
    ["function", '{"body": {}}', "body"],
    ["function", '{"input": {"a": "\\u0000"}}', "input.a"],
    ["function", '{"input": 1, "delay": "1m"}', "delay"],
    ["email", '{"input": {}}', "input"],
    ["email", '{"body": "Hi"}', "body"],
  ] as const) {
    assertProblem(await run(tenant, tasks[type], body), 422, "invalid_input", [field]);
  }
  assertProblem(await run(tenant, tasks.http, '{"body": '), 400, "invalid_json");
  const other = await api.newTenant();
  assertProblem(await run(other, tasks.function, '{"input": 1}'), 404, "not_found");
  assert.deepEqual(await api.countRows(), rows);
  await tenant.call("POST", `/v1/tasks/${tasks.function}/cancel`);
  assertProblem(await run(tenant, tasks.function, '{"input": 1}'), 409, "task_cancelled");
});

test("under an idempotency key the same text is the same run, another one a 422", async () => {
  const tenant = await api.newTenant();
  const taskId = await makeTask(tenant, HTTP);
  const send = (body?: string) => run(tenant, taskId, body, { "idempotency-key": "run-1" });
  const first = await send('{"body": {"order": 1.0}}');
  const again = await send('{"body": {"order": 1.0}}');
  assert.deepEqual([again.status, again.body.id], [202, first.body.id]);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  for (const body of ['{"body": {"order": 1}}', undefined])
    assertProblem(await send(body), 422, "idempotency_key_reused");
});
