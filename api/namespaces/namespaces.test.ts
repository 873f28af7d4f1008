import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_NAMESPACES } from "../../core/store/namespaces.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const { operator } = api;

const make = (name: string) => operator.call("POST", "/v1/namespaces", { body: { name } });
const inside = (name: string) => ({ "bellhop-namespace": name });

test("an operator makes namespaces, sees them, and gives them keys", async () => {
  const made = await make("billing");
  assert.equal(made.status, 201);
  assert.equal(made.headers.get("location"), "/v1/namespaces/billing");
  assert.deepEqual({ ...made.body, createdAt: "" }, { name: "billing", state: "active", createdAt: "" });
  assert.deepEqual((await operator.call("GET", "/v1/namespaces/billing")).body, made.body);
  await make("payroll");
  const first = (await operator.call("GET", "/v1/namespaces?limit=1")).body;
  assert.equal(first.items[0].name, "payroll");
  const second = (await operator.call("GET", `/v1/namespaces?limit=1&cursor=${first.nextCursor}`)).body;
  assert.equal(second.items[0].name, "billing");
  const body = { name: "boss", scopes: ["admin"] };
  const { key } = (await operator.call("POST", "/v1/keys", { body, headers: inside("billing") })).body;
  assert.equal((await api.withKey(key).call("GET", "/v1/whoami")).body.namespace, "billing");
});

test("a name is taken once, also by several at once, and by one that is going", async () => {
  const answers = await Promise.all([make("once"), make("once"), make("once")]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
  assertProblem(await make("default"), 409, "namespace_taken");
  await operator.call("DELETE", "/v1/namespaces/once");
  assertProblem(await make("once"), 409, "namespace_taken");
  for (const name of ["", "Not a name", "9lives", "x".repeat(64)])
    assertProblem(await make(name), 422, "invalid_input", ["name"]);
});

test("what is not there is a 404, whatever its name", async () => {
  for (const name of ["nobodys", "Not%20a%20name", "%00"])
    for (const method of ["GET", "DELETE"])
      assertProblem(await operator.call(method, `/v1/namespaces/${name}`), 404, "not_found");
  assertProblem(await operator.call("DELETE", "/v1/namespaces/default"), 409, "default_namespace");
});

test("a namespace that is being deleted opens to nobody and takes nothing new", async () => {
  await make("closing");
  const headers = inside("closing");
  const body = { name: "boss", scopes: ["admin"] };
  const admin = api.withKey((await operator.call("POST", "/v1/keys", { body, headers })).body.key);
  await admin.call("PUT", "/v1/functions/greet", {
    body: { source: "export default () => 1;", public: true },
  });
  const hook = (await admin.call("POST", "/v1/functions/greet/hooks", { body: {} })).body;
  const deleted = await operator.call("DELETE", "/v1/namespaces/closing");
  assert.equal(deleted.status, 202);
  assert.deepEqual([deleted.body.resource, deleted.body.receipt], ["namespaces", {}]);
  assert.equal((await operator.call("GET", "/v1/namespaces/closing")).body.state, "deleting");
  const limits = await operator.call("PUT", "/v1/namespaces/closing/limits", { body: { tasks: 1 } });
  assertProblem(limits, 409, "namespace_closed");
  const location = deleted.headers.get("location")!;
  assert.equal((await operator.call("GET", location)).body.id, deleted.body.id);
  assert.equal((await operator.call("DELETE", "/v1/namespaces/closing")).body.id, deleted.body.id);
  await until(async () => (await admin.call("GET", "/v1/whoami")).status === 401 || undefined);
  await until(async () => {
    const { status } = await operator.call("GET", "/v1/tasks", { headers });
    return status === 409 || undefined;
  });
  assertProblem(await api.anonymous.call("POST", hook.url, { body: {} }), 404, "hook_not_found");
  await until(async () => (await api.anonymous.call("GET", "/fn/closing/greet")).status === 401 || undefined);
  const ofDefault = await api.newCaller(operator.namespaceId, ["admin"]);
  assertProblem(await ofDefault.call("GET", location), 404, "not_found");
  assertProblem(await operator.call("POST", `${location}/abort`), 409, "deletion_not_abortable");
});

test("namespaces are an operator's alone", async () => {
  const tenant = await api.newTenant();
  const { namespace } = (await tenant.call("GET", "/v1/whoami")).body;
  for (const [method, path] of [
    ["POST", "/v1/namespaces"],
    ["GET", "/v1/namespaces"],
    ["GET", `/v1/namespaces/${namespace}`],
    ["DELETE", `/v1/namespaces/${namespace}`],
    ["DELETE", "/v1/namespaces/nobodys"],
  ] as const)
    assertProblem(await tenant.call(method, path), 403, "forbidden");
});

test("there are so many namespaces and no more", async () => {
  await api.store.pool.query(
    `INSERT INTO namespaces (id, name) SELECT gen_random_uuid(), 'many-' || i FROM generate_series(1, $1) i`,
    [MAX_NAMESPACES],
  );
  assertProblem(await make("beyond"), 409, "too_many_namespaces");
  await api.store.pool.query("DELETE FROM namespaces WHERE name LIKE 'many-%'");
});
