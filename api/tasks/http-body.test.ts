/** The body of an http task is the author's own text, from the request to the receiver. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const BODIES = [
  '{"order":1234567890123456789,"a":1}',
  '{ "z": 1.0,\n  "a": [1E+2, -0, "\\u0041\\/é"],\t"z": 2 }',
  "[ ]",
  "12345678901234567890.10",
  "null",
  '{"text":"a\\u0000b","half":"\\ud800"}',
];
const taskWith = (body: string) =>
  `{"type":"http","url":"https://example.com/hook","method":"POST", "body" : ${body} ,"schedule":{"every":"1h"}}`;

async function ask(tenant: TestCaller, method: string, path: string, body?: string, headers = {}) {
  const response = await tenant.request(method, path, body === undefined ? {} : { body, headers });
  return { status: response.status, text: await response.text() };
}

/** The answer's text after `"body":`, as far as the body goes. */
const shows = (text: string, body: string) => text.includes(`"body":${body},"`);

for (const body of BODIES) {
  test(`${body} is kept to the letter, shown, and what a worker claims`, async () => {
    const tenant = await api.newTenant();
    const made = await ask(tenant, "POST", "/v1/tasks", taskWith(body));
    assert.equal(made.status, 201, made.text);
    assert.ok(shows(made.text, body), made.text);
    const path = `/v1/tasks/${JSON.parse(made.text).id}`;
    const patched = await ask(tenant, "PATCH", path, '{"name":"renamed","headers":{"x-a":"1"}}');
    assert.equal(patched.status, 200, patched.text);
    const answers = [patched, await ask(tenant, "GET", path), await ask(tenant, "GET", "/v1/tasks")];
    for (const verb of ["pause", "resume"]) answers.push(await ask(tenant, "POST", `${path}/${verb}`));
    for (const { text } of answers) assert.ok(shows(text, body), text);
    const run = JSON.parse((await ask(tenant, "POST", `${path}/run`)).text);
    const { spec } = await api.start(run.id);
    assert.ok(spec.type === "http");
    assert.equal((spec.body as { text?: string }).text, body);
    const cancelled = await ask(tenant, "POST", `${path}/cancel`);
    assert.ok(shows(cancelled.text, body), cancelled.text);
  });
}

test("a change of the body keeps its text as well; a string stays a string", async () => {
  const tenant = await api.newTenant();
  const made = await ask(tenant, "POST", "/v1/tasks", taskWith('"as it is"'));
  const path = `/v1/tasks/${JSON.parse(made.text).id}`;
  for (const body of [...BODIES, '"é\\n"', "null"]) {
    const { status, text } = await ask(tenant, "PATCH", path, `{"body": ${body}}`);
    assert.equal(status, 200, text);
    const shown = body.startsWith('"') ? JSON.stringify(JSON.parse(body)) : body;
    assert.ok(shows(text, shown), text);
  }
});

test("a number that the database does not take is refused with its field's name, in a task, a change and a run", async () => {
  const tenant = await api.newTenant();
  const made = await ask(tenant, "POST", "/v1/tasks", taskWith('{"a":1e131071,"b":"1e999999"}'));
  assert.equal(made.status, 201, made.text);
  const path = `/v1/tasks/${JSON.parse(made.text).id}`;
  const before = await api.countRows();
  for (const body of ['{"a":1e999999}', `[1.${"0".repeat(16_384)}]`, "-1E-20000"]) {
    const items = `{"items":[${taskWith(body)}]}`;
    const batch = await tenant.call("POST", "/v1/tasks/batch", { body: items });
    assert.equal(batch.body.items[0].status, 422);
    assert.equal(batch.body.items[0].problem.errors[0].field, "body");
    for (const [method, at, sent] of [
      ["POST", "/v1/tasks", taskWith(body)],
      ["PATCH", path, `{"body":${body}}`],
      ["POST", `${path}/run`, `{"body":${body}}`],
    ] as const) {
      const answer = await tenant.call(method, at, { body: sent });
      assertProblem(answer, 422, "invalid_input", ["body"]);
      assert.match(answer.body.detail, /holds a number that cannot be stored/);
    }
  }
  assert.deepEqual(await api.countRows(), before);
});

test("under an idempotency key another text is another request", async () => {
  const tenant = await api.newTenant();
  const headers = { "idempotency-key": "order-1" };
  const send = (body: string) => ask(tenant, "POST", "/v1/tasks", taskWith(body), headers);
  const first = await send('{"order":1234567890123456789}');
  const again = await send('{"order":1234567890123456789}');
  assert.deepEqual([again.status, JSON.parse(again.text).id], [201, JSON.parse(first.text).id]);
  for (const other of ['{"order":1234567890123456788}', '{"order": 1234567890123456789}'])
    assert.equal((await send(other)).status, 422, other);
});

test("an e-mail's body and a function's input are no such text", async () => {
  const tenant = await api.newTenant();
  const email = { type: "email", to: "a@example.com", subject: "Hi", body: { a: 1 } };
  assertProblem(await tenant.call("POST", "/v1/tasks", { body: email }), 422, "invalid_input", ["body"]);
});
