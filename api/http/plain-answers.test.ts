/** What a caller reads who got it wrong: plain words, never those of zod or of a parser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/" } as const;

test("what is not JSON is told by its place, and is not quoted", async () => {
  const tenant = await api.newTenant();
  for (const [body, words] of [
    ['{"type": "http",\n "url": s3cr3t}', '"s" stands where it may not'],
    ['{"type": "http",}', "it breaks at line 1, column 17"],
    ['{"type": "http"', "it breaks at line 1, column 16"],
    ["s3cr3t=1", '"s" stands where it may not'],
  ] as const) {
    const answer = await tenant.call("POST", "/v1/tasks", { body });
    assertProblem(answer, 400, "invalid_json");
    assert.equal(answer.body.detail, `The body is not valid JSON: ${words}.`);
  }
  const empty = await tenant.call("POST", "/v1/tasks", { body: "" });
  assertProblem(empty, 400, "invalid_json");
  assert.equal(empty.body.detail, "A JSON body is needed.");
});

test("a field of the wrong kind is told what would be right", async () => {
  const tenant = await api.newTenant();
  const answer = await tenant.call("POST", "/v1/tasks", {
    body: { ...HTTP, name: 5, method: "BREW", timeout: 30, retry: { backoff: [] }, labels: "ops" },
  });
  assertProblem(answer, 422, "invalid_input", ["labels", "method", "name", "retry.backoff", "timeout"]);
  const said = Object.fromEntries(
    answer.body.errors.map(({ field, message }: Record<string, string>) => [field, message]),
  );
  assert.deepEqual(said, {
    name: "must be text, not a number",
    method: "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    timeout: 'must be a duration such as "500ms", "30s", "10m", "1h30m", "1d" or ISO 8601',
    "retry.backoff": "must be an object, not a list",
    labels: "must be an object, not text",
  });
});

test("a schedule that is text is a cron expression, in UTC until another timezone is named", async () => {
  const tenant = await api.newTenant();
  const made = await tenant.call("POST", "/v1/tasks", { body: { ...HTTP, schedule: "*/5 * * * *" } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(made.body.schedule, { cron: "*/5 * * * *", timezone: "UTC" });
  const change = async (schedule: object | string) =>
    (await tenant.call("PATCH", `/v1/tasks/${made.body.id}`, { body: { schedule } as never })).body.schedule;
  await change({ timezone: "Europe/Rome" });
  assert.deepEqual(await change("0 9 * * *"), { cron: "0 9 * * *", timezone: "Europe/Rome" });
  assert.deepEqual(await change({ every: "1h" }), { every: "1h" });
  assert.deepEqual(await change("0 9 * * *"), { cron: "0 9 * * *", timezone: "UTC" });
});

test("other text is no schedule: the answer shows the right forms", async () => {
  const tenant = await api.newTenant();
  for (const schedule of ["10m", "tomorrow", "every now and then"]) {
    const answer = await tenant.call("POST", "/v1/tasks", { body: { ...HTTP, schedule } });
    assertProblem(answer, 422, "invalid_input", ["schedule"]);
    assert.match(
      answer.body.errors[0].message,
      /\{"every": "1h"\}, \{"cron": "\*\/5 \* \* \* \*".* by itself may stand a cron expression/,
    );
  }
});
