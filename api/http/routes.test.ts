/** What holds for every route: its query, its method, its path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { apiFeatures } from "../features.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { defineRoute } from "./route.ts";

const api = await openApi();
const routes = apiFeatures(DEFAULT_SETTINGS).flatMap((feature) => feature.routes);
const ID = "01a20a28-a81c-7294-862d-1a27e97c0d32";
const toUrl = (path: string) => path.replaceAll(/:(name|secret|tag)/g, "x").replaceAll(/:\w+/g, ID);
const ofKeys = routes.filter(({ path }) => path.startsWith("/v1/"));

test("every route refuses a parameter that nobody knows, by its name, and changes nothing", async () => {
  const before = await api.countRows();
  for (const { method, path } of ofKeys) {
    const answer = await api.operator.call(method, `${toUrl(path)}?colour=blue`);
    assertProblem(answer, 422, "invalid_input", ["colour"]);
    assert.equal(answer.body.errors[0].message, "unknown parameter");
  }
  assertProblem(await api.anonymous.call("GET", "/openapi.json?colour=blue"), 422, "invalid_input", [
    "colour",
  ]);
  assert.deepEqual(await api.countRows(), before);
});

test("a filter that a list does not have is refused: nobody takes all tasks for some", async () => {
  const tenant = await api.newTenant();
  for (const filter of ["status=active", "colour=blue", "status=", "status"])
    assertProblem(await tenant.call("GET", `/v1/tasks?${filter}`), 422, "invalid_input", [
      filter.split("=")[0]!,
    ]);
});

test("a parameter that is given twice and counts once is refused, and all faults are told at once", async () => {
  const tenant = await api.newTenant();
  const twice = await tenant.call("GET", "/v1/runs?limit=1&limit=2");
  assertProblem(twice, 422, "invalid_input", ["limit"]);
  assert.equal(twice.body.errors[0].message, "may be given once");
  const answer = await tenant.call("GET", "/v1/runs?limit=1&a=1&limit=2&b&__proto__=x");
  assertProblem(answer, 422, "invalid_input", ["__proto__", "a", "b", "limit"]);
  const many = Array.from({ length: 50 }, (_, index) => `p${index}=1`).join("&");
  const refused = await tenant.call("GET", `/v1/runs?${many}&${"x".repeat(5_000)}=1`);
  assert.equal(refused.body.errors.length, 20);
  assert.ok(JSON.stringify(refused.body).length < 10_000);
});

test("a route that takes no body refuses the fields it is sent", async () => {
  const tenant = await api.newTenant();
  const answer = await tenant.call("POST", `/v1/tasks/${ID}/resume`, { body: { revision: 1 } });
  assertProblem(answer, 422, "invalid_input", ["revision"]);
  assertProblem(await tenant.call("POST", `/v1/tasks/${ID}/resume`, { body: {} }), 404, "not_found");
});

test("a known path with another method is a 405 that says which it takes", async () => {
  const tenant = await api.newTenant();
  for (const [method, path, allow] of [
    ["PUT", "/v1/tasks", "GET, HEAD, OPTIONS, POST"],
    ["POST", `/v1/tasks/${ID}`, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"],
    ["GET", `/v1/tasks/${ID}/run`, "OPTIONS, POST"],
    ["DELETE", "/v1/workers", "GET, HEAD, OPTIONS"],
    ["PATCH", "/v1/functions/x/secrets/A", "DELETE, OPTIONS, PUT"],
    ["POST", "/healthz", "GET, HEAD, OPTIONS"],
    ["DELETE", "/openapi.json", "GET, HEAD, OPTIONS"],
  ] as const) {
    const answer = await tenant.call(method, path);
    assertProblem(answer, 405, "method_not_allowed");
    assert.equal(answer.headers.get("allow"), allow, path);
    const asked = await tenant.call("OPTIONS", path);
    assert.deepEqual([asked.status, asked.headers.get("allow"), asked.body], [204, allow, undefined]);
  }
  assertProblem(await api.anonymous.call("PUT", "/v1/tasks"), 401, "unauthenticated");
  assertProblem(await tenant.call("OPTIONS", "/v1/nothing"), 404, "no_such_route");
  assertProblem(await tenant.call("GET", "/openapi-json"), 404, "no_such_route");
});

test("HEAD answers as GET does, without a body", async () => {
  const tenant = await api.newTenant();
  for (const path of ["/v1/tasks", "/v1/runs", "/healthz", "/openapi.json"]) {
    const answer = await tenant.call("HEAD", path);
    assert.deepEqual([answer.status, answer.body], [200, undefined], path);
  }
  assert.equal((await tenant.call("HEAD", `/v1/runs/${ID}`)).status, 404);
});

test("a slash at the end changes nothing, under /v1, /hooks and of the probes", async () => {
  const tenant = await api.newTenant();
  const task = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
  const { status, body } = await tenant.call("POST", "/v1/tasks/", { body: task });
  assert.equal(status, 201);
  assert.equal((await tenant.call("GET", `/v1/tasks/${body.id}/`)).body.id, body.id);
  assert.equal((await tenant.call("GET", "/v1/tasks/?limit=1")).body.items.length, 1);
  for (const path of ["/healthz/", "/readyz/?verbose", "/metrics/?x=1", "/openapi.json/"])
    assert.equal((await api.anonymous.call("GET", path)).status, 200, path);
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1" } });
  const { body: hook } = await tenant.call("POST", "/v1/functions/greet/hooks/");
  assert.equal((await api.anonymous.call("POST", `${hook.url}/`)).status, 202);
});

test("a parameter with a list takes repetition", async () => {
  const { createQueryReader } = await import("./read-query.ts");
  const read = createQueryReader(z.object({ state: z.array(z.enum(["a", "b"])).optional() }));
  const given = (url: string) => read({ req: { url } } as Parameters<typeof read>[0]);
  assert.deepEqual(given("http://x/?state=a&state=b"), { state: ["a", "b"] });
  assert.deepEqual(given("http://x/?state=a"), { state: ["a"] });
  assert.deepEqual(given("http://x/"), {});
});

test("a handler that answers another shape, status or header than its route says does not compile", () => {
  const facts = { method: "GET", path: "/v1/x/:id", operationId: "x", summary: "X", access: "read" } as const;
  const answers = { 200: { is: "X.", schema: z.object({ a: z.int() }) }, 204: { is: "None." } } as const;
  const params = { id: z.string() };
  const x = { ...facts, params, answers };
  const defined = [
    defineRoute({ ...x, handle: async () => ({ status: 200, body: { a: 1 } }) }),
    defineRoute({ ...x, handle: async () => ({ status: 204 }) }),
    // @ts-expect-error: a field of another type
    defineRoute({ ...x, handle: async () => ({ status: 200, body: { a: "1" } }) }),
    // @ts-expect-error: a field is missing
    defineRoute({ ...x, handle: async () => ({ status: 200, body: {} }) }),
    // @ts-expect-error: a status that is not said
    defineRoute({ ...x, handle: async () => ({ status: 202, body: { a: 1 } }) }),
    // @ts-expect-error: a header that is not said
    defineRoute({ ...x, handle: async () => ({ status: 204, headers: { location: "/" } }) }),
    // @ts-expect-error: no parameter of that name in the path
    defineRoute({ ...x, handle: async ({ params: { name } }) => ({ status: 200, body: { a: name } }) }),
  ];
  assert.equal(defined.length, 7);
});
