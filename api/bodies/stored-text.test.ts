/** U+0000 and halves of surrogate pairs: refused wherever they would be stored, by the name of their field. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/", method: "POST", schedule: { every: "1h" } };
const EMAIL = { type: "email", to: "a@example.com", subject: "Hi", body: "x", schedule: { every: "1h" } };
const CALL = { type: "function", function: "greet", schedule: { every: "1h" } };

test("text that cannot be stored is refused with its field's name, and nothing is written", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default (input) => input;" } });
  const task = await tenant.call("POST", "/v1/tasks", { body: HTTP });
  const before = await api.countRows();
  for (const bad of ["a\u0000b", "\ud800", "\udfff!"]) {
    for (const [method, path, body, field] of [
      ["POST", "/v1/tasks", { ...HTTP, body: bad }, "body"],
      ["POST", "/v1/tasks", { ...HTTP, name: bad }, "name"],
      ["POST", "/v1/tasks", { ...HTTP, labels: { team: bad } }, "labels.team"],
      ["POST", "/v1/tasks", { ...HTTP, headers: { "x-a": bad } }, "headers.x-a"],
      ["POST", "/v1/tasks", { ...EMAIL, html: bad }, "html"],
      ["POST", "/v1/tasks", { ...CALL, input: { list: [1, { deep: bad }] } }, "input.list.1.deep"],
      ["POST", "/v1/tasks", { ...CALL, input: { a: { [bad]: 1 } } }, "input.a"],
      ["PATCH", `/v1/tasks/${task.body.id}`, { body: bad }, "body"],
      ["POST", "/v1/functions/greet/invoke", { a: [bad] }, "a.0"],
      ["PUT", "/v1/functions/greet", { source: `export default () => "${bad}";` }, "source"],
      ["PUT", "/v1/functions/greet", { source: "export default 1;", env: { A: bad } }, "env.A"],
      ["PATCH", "/v1/functions/greet", { env: { A: bad } }, "env.A"],
      ["PUT", "/v1/functions/greet/secrets/TOKEN", { value: `long enough ${bad}` }, "value"],
      ["POST", "/v1/functions/greet/hooks", { name: bad }, "name"],
    ] as [string, string, Json, string][]) {
      const answer = await tenant.call(method, path, { body });
      assertProblem(answer, 422, "invalid_input", [field]);
      assert.match(answer.body.detail, /U\+0000 or half of a surrogate pair, which cannot be stored/);
    }
    const async = { body: bad, headers: { prefer: "respond-async" } };
    const queued = await tenant.call("POST", "/v1/functions/greet/invoke", {
      ...async,
      body: JSON.stringify(bad),
    });
    assertProblem(queued, 422, "invalid_input");
  }
  assert.deepEqual(await api.countRows(), before);
});

test("whole pairs, and the escape of an escape, are text like any other", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default (input) => input;" } });
  const body = '{"type":"function","function":"greet","input":["\\ud83d\\ude00","\\\\u0000","\\\\ud800"]}';
  const { status, body: made } = await tenant.call("POST", "/v1/tasks", { body });
  assert.equal(status, 201);
  assert.deepEqual(made.input, ["😀", "\\u0000", "\\ud800"]);
});
