/** What every route does alike: keys, scopes, namespaces, problem documents, bounds. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { MAX_BODY_BYTES } from "./bodies/body.ts";
import { MAX_UPLOAD_BYTES } from "./functions/upload.ts";
import { type Answer, openApi } from "./testing/open-api.ts";
import { assertProblem } from "./testing/problem.ts";

const api = await openApi();
const HTTP_TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
const SOURCE = "export default () => null;";
const id = randomUUID();

/** Every route and the scope it asks for. */
const ROUTES = [
  ["POST", "/v1/tasks", "write"],
  ["GET", "/v1/tasks", "read"],
  ["GET", `/v1/tasks/${id}`, "read"],
  ["PATCH", `/v1/tasks/${id}`, "write"],
  ["DELETE", `/v1/tasks/${id}`, "write"],
  ["POST", `/v1/tasks/${id}/cancel`, "write"],
  ["POST", `/v1/tasks/${id}/pause`, "write"],
  ["POST", `/v1/tasks/${id}/resume`, "write"],
  ["POST", `/v1/tasks/${id}/run`, "invoke"],
  ["GET", `/v1/tasks/${id}/runs`, "read"],
  ["GET", "/v1/runs", "read"],
  ["GET", `/v1/runs/${id}`, "read"],
  ["GET", `/v1/runs/${id}/logs`, "read"],
  ["POST", `/v1/runs/${id}/cancel`, "write"],
  ["GET", "/v1/dead-letters", "read"],
  ["POST", "/v1/dead-letters/redrive", "write"],
  ["POST", `/v1/dead-letters/${id}/redrive`, "write"],
  ["DELETE", `/v1/dead-letters/${id}`, "write"],
  ["PUT", "/v1/functions/greet", "deploy"],
  ["PATCH", "/v1/functions/greet", "deploy"],
  ["GET", "/v1/functions", "read"],
  ["GET", "/v1/functions/greet", "read"],
  ["POST", "/v1/functions/greet/invoke", "invoke"],
  ["GET", "/v1/functions/greet/logs", "read"],
] as const;
const SCOPES = ["read", "write", "deploy", "invoke"] as const;

test("without a key every route is a 401 that says how to send one", async () => {
  for (const [method, path] of ROUTES) {
    const answer = await api.anonymous.call(method, path, method === "GET" ? {} : { body: {} });
    assertProblem(answer, 401, "unauthenticated");
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
  }
});

test("a key that is unknown, misspelt, expired or revoked is a 401 that says nothing of it", async () => {
  const { namespaceId } = await api.newTenant();
  const expired = await api.newCaller(namespaceId, ["admin"], { expired: true });
  const revoked = await api.newCaller(namespaceId, ["admin"], { revoked: true });
  for (const caller of [expired, revoked])
    assertProblem(await caller.call("GET", "/v1/tasks"), 401, "unauthenticated");
  for (const authorization of [
    "Bearer bh_unknown",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "bh_unknown",
    `Bearer ${"x".repeat(5_000)}`,
  ]) {
    const answer = await api.anonymous.call("GET", "/v1/tasks", { headers: { authorization } });
    assertProblem(answer, 401, "unauthenticated");
    assert.doesNotMatch(JSON.stringify(answer.body), /bh_unknown|YTpi|xxxx/);
  }
});

test("Bellhop-Key takes a key as well, and counts more than Authorization", async () => {
  const tenant = await api.newTenant();
  const headers = { "bellhop-key": tenant.key! };
  assert.equal((await api.anonymous.call("GET", "/v1/tasks", { headers })).status, 200);
  const wrong = { ...headers, authorization: "Basic YTpi" };
  assert.equal((await api.anonymous.call("GET", "/v1/tasks", { headers: wrong })).status, 200);
  const unknown = await tenant.call("GET", "/v1/tasks", { headers: { "bellhop-key": "bh_unknown" } });
  assertProblem(unknown, 401, "unauthenticated");
});

test("each route asks for its scope and no other opens it", async () => {
  const { namespaceId } = await api.newTenant();
  for (const scope of SCOPES) {
    const others = await api.newCaller(
      namespaceId,
      SCOPES.filter((other) => other !== scope),
    );
    const before = await api.countRows();
    for (const [method, path] of ROUTES.filter(([, , asked]) => asked === scope)) {
      const body = path.endsWith("/greet") ? { source: SOURCE } : HTTP_TASK;
      const answer = await others.call(method, path, method === "GET" ? {} : { body });
      assertProblem(answer, 403, "forbidden");
      assert.match(answer.body.detail, new RegExp(`\\b${scope}\\b`));
    }
    assert.deepEqual(await api.countRows(), before);
  }
});

test("the scope alone is enough, and a key without scopes opens nothing", async () => {
  const { namespaceId } = await api.newTenant();
  for (const [method, path, scope] of ROUTES) {
    const caller = await api.newCaller(namespaceId, [scope]);
    const { status } = await caller.call(method, path, method === "GET" ? {} : { body: {} });
    assert.ok(status !== 401 && status !== 403, `${method} ${path}: ${status}`);
  }
  const nobody = await api.newCaller(namespaceId, []);
  assertProblem(await nobody.call("GET", "/v1/tasks"), 403, "forbidden");
});

test("what is another namespace's is not there", async () => {
  const [owner, stranger] = [await api.newTenant(), await api.newTenant()];
  await owner.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  const { body: task } = await owner.call("POST", "/v1/tasks", { body: HTTP_TASK });
  const { body: run } = await owner.call("POST", `/v1/tasks/${task.id}/run`);
  const { body: dead } = await owner.call("POST", `/v1/tasks/${task.id}/run`);
  await api.work(dead.id, { state: "dead", error: { code: "http_status", message: "503" } });
  const before = await api.countRows();
  for (const [method, path] of [
    ["GET", `/v1/tasks/${task.id}`],
    ["PATCH", `/v1/tasks/${task.id}`],
    ["DELETE", `/v1/tasks/${task.id}`],
    ["POST", `/v1/tasks/${task.id}/cancel`],
    ["POST", `/v1/tasks/${task.id}/pause`],
    ["POST", `/v1/tasks/${task.id}/resume`],
    ["POST", `/v1/tasks/${task.id}/run`],
    ["GET", `/v1/tasks/${task.id}/runs`],
    ["GET", `/v1/runs/${run.id}`],
    ["GET", `/v1/runs/${run.id}/logs`],
    ["POST", `/v1/runs/${run.id}/cancel`],
    ["POST", `/v1/dead-letters/${dead.id}/redrive`],
    ["DELETE", `/v1/dead-letters/${dead.id}`],
    ["GET", "/v1/functions/greet"],
    ["POST", "/v1/functions/greet/invoke"],
    ["GET", "/v1/functions/greet/logs"],
  ] as const) {
    const answer = await stranger.call(method, path, method === "PATCH" ? { body: { name: "mine" } } : {});
    assertProblem(answer, 404, "not_found");
  }
  for (const path of ["/v1/tasks", "/v1/runs", "/v1/dead-letters", "/v1/functions"]) {
    assert.deepEqual((await stranger.call("GET", path)).body, { items: [], nextCursor: null });
  }
  const redriven = await stranger.call("POST", "/v1/dead-letters/redrive", { body: { taskId: task.id } });
  assert.deepEqual([redriven.status, redriven.body], [202, { redriven: 0 }]);
  assertProblem(
    await stranger.call("POST", "/v1/tasks", { body: { type: "function", function: "greet" } }),
    422,
    "unknown_function",
    ["function"],
  );
  assert.deepEqual(await api.countRows(), before);
  assert.equal((await owner.call("GET", `/v1/tasks/${task.id}`)).body.state, "active");
  assert.equal((await owner.call("GET", `/v1/runs/${dead.id}`)).body.state, "dead");
});

test("a body that is too large is a 413, declared or streamed, and nothing is written", async () => {
  const tenant = await api.newTenant();
  const before = await api.countRows();
  for (const [method, path, maxBytes] of [
    ["POST", "/v1/tasks", MAX_BODY_BYTES],
    ["PUT", "/v1/functions/greet", MAX_UPLOAD_BYTES],
    ["POST", "/v1/functions/greet/invoke", MAX_BODY_BYTES],
  ] as const) {
    const large = `{"type":"http","url":"https://example.com/","body":"${"x".repeat(maxBytes)}"}`;
    const declared = { "content-length": String(large.length) };
    for (const headers of [declared, {}]) {
      assertProblem(await tenant.call(method, path, { body: large, headers }), 413, "body_too_large");
    }
  }
  assert.deepEqual(await api.countRows(), before);
});

test("an encoded body of /v1 is a 415 in plain words that says what is taken", async () => {
  const tenant = await api.newTenant();
  const gzipped = gzipSync(JSON.stringify(HTTP_TASK)).toString("latin1");
  for (const [method, path] of [
    ["POST", "/v1/tasks"],
    ["PUT", "/v1/functions/greet"],
    ["POST", "/v1/functions/greet/invoke"],
    ["PATCH", `/v1/tasks/${id}`],
  ] as const) {
    for (const coding of ["gzip", "br", "GZip, identity", "own"]) {
      const headers = { "content-encoding": coding };
      const answer = await tenant.call(method, path, { body: gzipped, headers });
      assertProblem(answer, 415, "unsupported_media_type");
      const shown = coding.toLowerCase();
      assert.equal(
        answer.body.detail,
        `The body is sent with "Content-Encoding: ${shown}"; send it without an encoding.`,
      );
      assert.equal(answer.headers.get("accept-encoding"), "identity");
    }
  }
  const plain = await tenant.call("POST", "/v1/tasks", {
    ...{ body: HTTP_TASK, headers: { "content-encoding": "Identity" } },
  });
  assert.equal(plain.status, 201);
});

test("a body that is no JSON is a 400, one of another kind a 415", async () => {
  const tenant = await api.newTenant();
  for (const body of ["", "{", "{'a':1}", '{"a":1}x', "undefined"]) {
    assertProblem(await tenant.call("POST", "/v1/tasks", { body }), 400, "invalid_json");
  }
  const form = new FormData();
  form.set("type", "http");
  assertProblem(await tenant.call("POST", "/v1/tasks", { body: form }), 415, "unsupported_media_type");
});

test("a body nested too deeply is refused, however deep", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  const before = await api.countRows();
  for (const depth of [250, 100_000, 900_000]) {
    const body = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    assertProblem(await tenant.call("POST", "/v1/functions/greet/invoke", { body }), 400, "invalid_json");
    assertProblem(await tenant.call("POST", "/v1/tasks", { body }), 400, "invalid_json");
  }
  assert.deepEqual(await api.countRows(), before);
});

test("JSON is taken as JSON although curl calls it a form", async () => {
  const tenant = await api.newTenant();
  const answer = await tenant.call("POST", "/v1/tasks", {
    body: JSON.stringify(HTTP_TASK),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  assert.equal(answer.status, 201);
});

test("a route that is not there is a 404 of its own", async () => {
  const tenant = await api.newTenant();
  assertProblem(await tenant.call("GET", "/v1/nothing"), 404, "no_such_route");
  assertProblem(await api.anonymous.call("GET", "/nothing"), 404, "no_such_route");
});

test("ids and names that cannot be are not there, whatever they hold", async () => {
  const tenant = await api.newTenant();
  for (const bad of ["1", "%00", "%E0%A4%A", "..%2f..", "x".repeat(3_000), "'; DROP TABLE tasks;--"]) {
    for (const path of [
      `/v1/tasks/${bad}`,
      `/v1/runs/${bad}`,
      `/v1/runs/${bad}/logs`,
      `/v1/functions/${bad}`,
    ]) {
      assertProblem(await tenant.call("GET", path), 404, "not_found");
    }
    for (const path of [
      `/v1/tasks/${bad}/run`,
      `/v1/dead-letters/${bad}/redrive`,
      `/v1/functions/${bad}/invoke`,
    ]) {
      assertProblem(await tenant.call("POST", path), 404, "not_found");
    }
  }
});

test("nothing that has a name holds U+0000 in it", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  for (const [method, path] of [
    ["GET", "/v1/queues/a%00"],
    ["DELETE", "/v1/queues/a%00"],
    ["POST", "/v1/queues/a%00/pause"],
    ["DELETE", "/v1/secrets/a%00"],
    ["DELETE", "/v1/functions/greet/tags/a%00"],
    ["POST", "/v1/errors/a%00/resolve"],
  ] as const)
    assertProblem(await tenant.call(method, path), 404, "not_found");
  assertProblem(await tenant.call("PUT", "/v1/queues/a%00", { body: {} }), 422, "invalid_input", ["name"]);
});

test("a list's limit and cursor are checked", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: SOURCE } });
  const { body: run } = await tenant.call("POST", "/v1/functions/greet/invoke", {
    body: null,
    headers: { prefer: "respond-async" },
  });
  const encoded = (text: string) => Buffer.from(text).toString("base64url");
  for (const path of [
    "/v1/tasks",
    "/v1/runs",
    "/v1/dead-letters",
    "/v1/functions",
    "/v1/functions/greet/logs",
    `/v1/runs/${run.runId}/logs`,
  ]) {
    for (const limit of ["0", "201", "-1", "1.5", "many", ""]) {
      assertProblem(await tenant.call("GET", `${path}?limit=${limit}`), 422, "invalid_input", ["limit"]);
    }
    for (const cursor of ["x", "%00", encoded("' OR 1=1"), encoded("1:"), encoded(`${"9".repeat(20)}:1`)]) {
      assertProblem(await tenant.call("GET", `${path}?cursor=${cursor}`), 422, "invalid_input", ["cursor"]);
    }
  }
});

test("the probes and the metrics need no key", async () => {
  const health = await api.anonymous.call("GET", "/healthz");
  assert.deepEqual([health.status, health.body], [200, { status: "ok" }]);
  assert.equal((await api.anonymous.call("GET", "/readyz")).status, 200);
  await api.anonymous.call("GET", "/v1/tasks");
  const metrics = await api.anonymous.call("GET", "/metrics");
  assert.equal(metrics.status, 200);
  assert.match(metrics.body, /bellhop_api_requests_total\{[^}]*method="GET"[^}]*status="401"[^}]*\} \d+/);
});

test("requests are counted by their route as it is written, never by what was asked for", async () => {
  const tenant = await api.newTenant();
  await tenant.call("GET", "/v1/runs/0193f1f0-0000-7000-8000-000000000000");
  await tenant.call("GET", "/v1/no-such-thing");
  await tenant.call("GET", "/fn/default/no-such-function");
  await api.anonymous.call("PROPFIND", "/no-such-page");
  const text = (await api.anonymous.call("GET", "/metrics")).body as string;
  const counts = text
    .split("\n")
    .filter((line) => line.startsWith("bellhop_api_request_duration_seconds_count"));
  for (const labels of [
    ['method="GET"', 'route="/v1/runs/:id"', 'status="4xx"'],
    ['method="GET"', 'route="/fn/*"', 'status="4xx"'],
    ['method="GET"', 'route="none"', 'status="4xx"'],
    ['method="other"', 'route="none"', 'status="4xx"'],
  ])
    assert.ok(
      counts.some((line) => labels.every((label) => line.includes(label))),
      `${labels} in ${counts.join("\n")}`,
    );
  assert.doesNotMatch(text, /no-such|PROPFIND/);
});

test("an error nobody foresaw says nothing of the inside", async () => {
  const tenant = await api.newTenant();
  const { pool } = api.store;
  const query = pool.query;
  pool.query = (() => Promise.reject(new Error("secret of the inside"))) as never;
  let answer: Answer;
  try {
    answer = await tenant.call("POST", "/v1/tasks", { body: HTTP_TASK });
  } finally {
    pool.query = query;
  }
  assertProblem(answer, 500, "internal_error");
  assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
});

test("a database that is away is a 503", async () => {
  const tenant = await api.newTenant();
  await tenant.call("GET", "/v1/tasks");
  const { plannedPool } = api.store;
  const query = plannedPool.query;
  const refused = Object.assign(new Error("connect ECONNREFUSED 10.1.2.3:5432"), { code: "ECONNREFUSED" });
  plannedPool.query = (() => Promise.reject(refused)) as never;
  let answer: Answer;
  try {
    answer = await tenant.call("POST", "/v1/tasks", { body: HTTP_TASK });
  } finally {
    plannedPool.query = query;
  }
  assertProblem(answer, 503, "database_unavailable");
  assert.doesNotMatch(JSON.stringify(answer.body), /10\.1\.2\.3/);
});
