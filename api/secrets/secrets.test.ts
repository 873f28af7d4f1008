import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, db } = await openApi();
const source = "export default () => 1;";

test("secrets are written, named and removed, for a function and for the namespace, and never shown", async () => {
  const tenant = await newTenant();
  await tenant.call("PUT", "/v1/functions/f", { body: { source } });
  for (const base of ["/v1/functions/f/secrets", "/v1/secrets"]) {
    const made = await tenant.call("PUT", `${base}/TOKEN`, { body: { value: "first value" } });
    assert.equal(made.status, 201);
    const replaced = await tenant.call("PUT", `${base}/TOKEN`, { body: { value: "second value" } });
    assert.equal(replaced.status, 200);
    const list = await tenant.call("GET", base);
    assert.deepEqual(
      list.body.items.map(({ name }: { name: string }) => name),
      ["TOKEN"],
    );
    for (const answer of [made, replaced, list]) assert.doesNotMatch(JSON.stringify(answer.body), /value/);
    assert.equal((await tenant.call("DELETE", `${base}/TOKEN`)).status, 204);
    assertProblem(await tenant.call("DELETE", `${base}/TOKEN`), 404, "not_found");
  }
  await tenant.call("PUT", "/v1/secrets/KEPT", { body: { value: "kept value" } });
  const { rows } = await sql<{ sealed: Buffer }>`SELECT sealed FROM secrets`.execute(db);
  assert.ok(rows.length > 0 && rows.every(({ sealed }) => !sealed.includes("kept value")));
});

test("bad names and values are refused by their field, and nothing is written", async () => {
  const tenant = await newTenant();
  const put = (name: string, body: never) => tenant.call("PUT", `/v1/secrets/${name}`, { body });
  const bad: [string, unknown, string][] = [
    ["1A", { value: "long enough" }, "name"],
    ["A-B", { value: "long enough" }, "name"],
    ["A", { value: "abc" }, "value"],
    ["A", { value: "x".repeat(32_769) }, "value"],
    ["A", { value: 7 }, "value"],
    ["A", {}, "value"],
    ["A", { value: "long enough", more: 1 }, "more"],
  ];
  for (const [name, body, field] of bad)
    assertProblem(await put(name, body as never), 422, "invalid_input", [field]);
  assert.deepEqual((await tenant.call("GET", "/v1/secrets")).body.items, []);
  assertProblem(
    await tenant.call("PUT", "/v1/functions/nobody/secrets/A", { body: { value: "long enough" } }),
    404,
    "not_found",
  );
});

test("namespaces and scopes keep apart", async () => {
  const [one, other] = [await newTenant(), await newTenant()];
  await one.call("PUT", "/v1/secrets/MINE", { body: { value: "long enough" } });
  assert.deepEqual((await other.call("GET", "/v1/secrets")).body.items, []);
  assertProblem(await other.call("DELETE", "/v1/secrets/MINE"), 404, "not_found");
  const reader = await newCaller(one.namespaceId, ["read"]);
  assert.equal((await reader.call("GET", "/v1/secrets")).body.items.length, 1);
  assertProblem(
    await reader.call("PUT", "/v1/secrets/MINE", { body: { value: "long enough" } }),
    403,
    "forbidden",
  );
  assertProblem(await reader.call("DELETE", "/v1/secrets/MINE"), 403, "forbidden");
});

test("a namespace has a hundred", async () => {
  const tenant = await newTenant();
  await sql`INSERT INTO secrets (namespace_id, name, sealed)
    SELECT ${tenant.namespaceId}, 'S' || n, '' FROM generate_series(1, 100) AS n`.execute(db);
  assertProblem(
    await tenant.call("PUT", "/v1/secrets/MORE", { body: { value: "long enough" } }),
    409,
    "too_many_secrets",
  );
  assert.equal((await tenant.call("PUT", "/v1/secrets/S7", { body: { value: "long enough" } })).status, 200);
});

test("all secrets of one place take so many bytes together", async () => {
  const tenant = await newTenant();
  const put = (name: string, bytes: number) =>
    tenant.call("PUT", `/v1/secrets/${name}`, { body: { value: "x".repeat(bytes) } });
  for (const name of ["A", "B", "C"]) assert.equal((await put(name, 32_768)).status, 201);
  assertProblem(await put("D", 32_768), 409, "too_many_secrets");
  assert.equal((await put("A", 100)).status, 200);
  assert.equal((await put("D", 32_768)).status, 201);
  assertProblem(await put("__proto__", 8), 422, "invalid_input", ["name"]);
});

test("settings go with the upload, stay where it leaves them out, and are shown", async () => {
  const tenant = await newTenant();
  const put = async (more: object) =>
    await tenant.call("PUT", "/v1/functions/f", { body: { source, ...more } as never });
  assert.deepEqual((await put({ env: { A: "1" } })).body.env, { A: "1" });
  assert.deepEqual((await put({})).body.env, { A: "1" });
  assert.deepEqual((await put({ env: {} })).body.env, {});
  assertProblem(await put({ env: { "a-b": "1" } }), 422, "invalid_input", ["env.a-b"]);
  assertProblem(await put({ env: { A: 1 } }), 422, "invalid_input", ["env.A"]);
  assertProblem(await put({ env: { A: "x".repeat(70_000) } }), 422, "invalid_input", ["env"]);
});
