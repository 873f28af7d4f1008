/** Small bodies that hold too much are refused before anything walks them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { validate } from "./body.ts";
import { findCrowdedField } from "./bounds.ts";

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, "x"]));

test("entries are counted over all levels of a field, and not where any JSON is welcome", () => {
  const free = new Set(["input"]);
  assert.equal(findCrowdedField({ a: many(10), input: many(11) }, 10, free), undefined);
  assert.equal(findCrowdedField({ a: many(11) }, 10, free), "a");
  assert.equal(findCrowdedField({ a: [[1, 2, 3], { b: [4, 5, 6], c: 7 }, [8]] }, 10, free), "a");
  assert.equal(findCrowdedField({ a: [[1, 2, 3], { b: [4, 5, 6] }] }, 10, free), undefined);
  assert.equal(findCrowdedField(many(11), 10, free), "");
  for (const other of [null, undefined, 1, "text", []])
    assert.equal(findCrowdedField(other, 10, free), undefined);
});

test("a schema sees nothing of what holds too much", () => {
  const never = z.string().refine(() => assert.fail("it was looked at"));
  const schema = z.object({ labels: z.record(never, never), to: z.array(never) });
  for (const input of [
    { labels: many(100_000), to: [] },
    { labels: {}, to: Array(200_000).fill("a@b.c") },
  ]) {
    assert.throws(() => validate(schema, input), { status: 422, code: "invalid_input" });
  }
});

test("what holds too much is refused by name, and nothing is written", async () => {
  const api = await openApi();
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/there", { body: { source: "export default () => 1;" } });
  const before = await api.countRows();
  const http = { type: "http", url: "https://example.com/" };
  const email = { type: "email", to: "a@example.com", subject: "s", body: "b" };
  const function_ = { source: "export default () => 1;" };
  const to = Array(200_000).fill("a@b.c");
  const cases: [method: string, path: string, body: object, field: string | undefined][] = [
    ["POST", "/v1/tasks", { ...http, labels: many(100_000) }, "labels"],
    ["POST", "/v1/tasks", { ...http, headers: many(100_000) }, "headers"],
    ["POST", "/v1/tasks", { ...http, ...many(100_000) }, undefined],
    ["POST", "/v1/tasks", { ...http, ["x".repeat(1_000_000)]: 1 }, `${"x".repeat(256)}…`],
    ["POST", "/v1/tasks", { ...email, to }, "to"],
    ["POST", "/v1/tasks", { ...http, schedule: many(100_000) }, "schedule"],
    ["PUT", "/v1/functions/new", { files: many(100_000) }, "files"],
    ["PUT", "/v1/functions/new", { ...function_, env: many(100_000) }, "env"],
    ["PUT", "/v1/functions/new", { ...function_, limits: many(100_000) }, "limits"],
    ["PUT", "/v1/functions/there/traffic", many(100_000), undefined],
  ];
  for (const [method, path, body, field] of cases) {
    const answer = await tenant.call(method, path, { body: body as never });
    assertProblem(answer, 422, "invalid_input");
    assert.equal(answer.body.errors?.[0]?.field, field, `${method} ${path}`);
    assert.ok(JSON.stringify(answer.body).length < 2_000);
  }
  const query = Array.from({ length: 2_000 }, (_, index) => `${index}=1`).join("&");
  assertProblem(await tenant.call("GET", `/v1/tasks?${query}`), 422, "invalid_input");
  assert.deepEqual(await api.countRows(), before);
});

test("a function's input and a request's body may hold as much as fits", async () => {
  const api = await openApi();
  const tenant = await api.newTenant();
  const task = { type: "http", url: "https://example.com/", schedule: { delay: "1h" } };
  const answer = await tenant.call("POST", "/v1/tasks", { body: { ...task, body: many(20_000) } });
  assert.equal(answer.status, 201);
});

const BOUNDARY = "----a-boundary-of-no-meaning";
const part = (name: string) =>
  `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n\r\nexport default () => 1;\r\n`;

function multipart(names: string[], type = `multipart/form-data; boundary=${BOUNDARY}`) {
  return { body: `${names.map(part).join("")}--${BOUNDARY}--\r\n`, headers: { "content-type": type } };
}

test("the parts of an upload are counted before they are parsed, by the boundary that parses them", async (t) => {
  const api = await openApi();
  const tenant = await api.newTenant();
  const put = (given: ReturnType<typeof multipart>) => tenant.call("PUT", "/v1/functions/parts", given);
  const names = Array.from({ length: 15_000 }, (_, index) => `${index}.ts`);
  const parse = t.mock.method(Response.prototype, "formData");
  const types = [
    `multipart/form-data; boundary=${BOUNDARY}`,
    `multipart/form-data; boundary="${BOUNDARY}"`,
    `Multipart/Form-Data; charset=utf-8; Boundary=${BOUNDARY}; x=y`,
  ];
  for (const type of types) {
    const answer = await put(multipart(names, type));
    assertProblem(answer, 422, "invalid_input");
    assert.equal(answer.body.errors[0].field, "files");
  }
  assert.equal(parse.mock.callCount(), 0);
  for (const type of [
    "multipart/form-data",
    'multipart/form-data; boundary=""',
    `multipart/form-data; x="; boundary=other"; boundary=${BOUNDARY}`,
  ])
    assertProblem(await put(multipart(names, type)), 400, "invalid_multipart");
  assertProblem(await put(multipart([...names.slice(0, 100), "index.ts"])), 422, "build_failed");
  for (const type of types)
    assert.ok([200, 201].includes((await put(multipart(["index.ts", "other.ts"], type))).status));
});
