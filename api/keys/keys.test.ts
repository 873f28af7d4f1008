import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { MAX_KEY_FUNCTIONS } from "../../core/contracts/key.ts";
import { ensureNamespace, hashKey } from "../../core/store/keys.ts";
import { until } from "../../core/store/testing/test-store.ts";
import type { Scope } from "../auth/scopes.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

const make = (caller: TestCaller, given: object = {}) =>
  caller.call("POST", "/v1/keys", { body: { name: "ci", scopes: ["read"], ...given } });

const whoami = (key: string) => api.withKey(key).call("GET", "/v1/whoami");

test("a key is shown once, opens what its scopes say, and is told of without its secret", async () => {
  const tenant = await api.newTenant();
  const given = { name: "ci", scopes: ["read", "deploy"], expiresAt: null, functions: ["greet"] };
  const { status, body, headers } = await make(tenant, given);
  assert.equal(status, 201);
  assert.match(body.key, /^bh_[\w-]{43}$/);
  assert.equal(headers.get("cache-control"), "no-store");
  const { key: secret, ...shown } = body;
  assert.deepEqual(
    { ...shown, id: "", createdAt: "" },
    {
      ...{ id: "", ...given, ending: secret.slice(-4), createdAt: "" },
      ...{ lastUsedAt: null, revokedAt: null, previousUntil: null },
    },
  );
  const caller = (await whoami(secret)).body;
  assert.deepEqual(caller.key, { id: body.id, name: "ci", functions: ["greet"], expiresAt: null });
  assert.deepEqual(caller.scopes, ["read", "deploy"]);
  const listed = await until(async () => {
    const [first] = (await tenant.call("GET", "/v1/keys")).body.items;
    return first.lastUsedAt === null ? undefined : first;
  });
  assert.deepEqual({ ...listed, lastUsedAt: null }, shown);
  const { rows } = await sql<{ row: string }>`
    SELECT to_jsonb(k)::text AS row FROM api_keys k WHERE key_hash = ${hashKey(secret)}`.execute(api.db);
  assert.ok(!rows[0]!.row.includes(secret.slice(3, -4)));
});

test("keys are listed newest first, page by page, those of the setting not among them", async () => {
  const tenant = await api.newTenant();
  for (const name of ["a", "b", "c"]) await make(tenant, { name });
  const first = (await tenant.call("GET", "/v1/keys?limit=2")).body;
  assert.deepEqual(
    first.items.map(({ name }: { name: string }) => name),
    ["c", "b"],
  );
  const second = (await tenant.call("GET", `/v1/keys?limit=2&cursor=${first.nextCursor}`)).body;
  assert.deepEqual(
    second.items.map(({ name }: { name: string }) => name),
    ["a", "test"],
  );
  const ofDefault = (await api.operator.call("GET", "/v1/keys")).body.items;
  assert.ok(!ofDefault.some(({ name }: { name: string }) => name === "admin"));
  const { key } = (await api.operator.call("GET", "/v1/whoami")).body;
  assertProblem(await api.operator.call("DELETE", `/v1/keys/${key.id}`), 404, "not_found");
  assertProblem(await api.operator.call("POST", `/v1/keys/${key.id}/rotate`), 404, "not_found");
});

test("a key that is sent again is not made again, and its kept answer opens to its caller alone", async () => {
  const tenant = await api.newTenant();
  const other = await api.newCaller(tenant.namespaceId, ["admin"]);
  const send = (caller: TestCaller) =>
    caller.call("POST", "/v1/keys", {
      ...{ body: { name: "ci", scopes: ["read"] }, headers: { "idempotency-key": "once" } },
    });
  const [made, again] = [await send(tenant), await send(tenant)];
  assert.deepEqual(again.body, made.body);
  assertProblem(await send(other), 422, "idempotency_key_reused");
  const { rows } = await sql<{ answer: Buffer }>`
    SELECT answer FROM idempotency_keys WHERE namespace_id = ${tenant.namespaceId}`.execute(api.db);
  assert.ok(!rows[0]!.answer.includes(made.body.key.slice(3)));
});

test("what a key cannot be is refused by its field, and makes nothing", async () => {
  const tenant = await api.newTenant();
  const many = Array.from({ length: MAX_KEY_FUNCTIONS + 1 }, (_, index) => `f${index}`);
  const refused: [string, object][] = [
    ["name", { name: "" }],
    ["name", { name: "x".repeat(101) }],
    ["name", { name: "a\nb" }],
    ["name", { name: "admin" }],
    ["scopes", { scopes: [] }],
    ["scopes.0", { scopes: ["all"] }],
    ["expiresAt", { expiresAt: "2020-01-01T00:00:00Z" }],
    ["expiresAt", { expiresAt: "tomorrow" }],
    ["functions", { functions: [] }],
    ["functions", { functions: many }],
    ["functions.0", { functions: ["Not a name"] }],
    ["functions", { functions: ["greet"], scopes: ["admin"] }],
    ["owner", { owner: "me" }],
  ];
  for (const [field, given] of refused)
    assertProblem(await make(tenant, given), 422, "invalid_input", [field]);
  assert.equal((await tenant.call("GET", "/v1/keys")).body.items.length, 1);
});

test("only admin manages keys", async () => {
  const tenant = await api.newTenant();
  const { id } = (await make(tenant)).body;
  const others: Scope[] = ["read", "write", "deploy", "invoke"];
  const caller = await api.newCaller(tenant.namespaceId, others);
  assertProblem(await make(caller), 403, "forbidden");
  assertProblem(await caller.call("GET", "/v1/keys"), 403, "forbidden");
  assertProblem(await caller.call("DELETE", `/v1/keys/${id}`), 403, "forbidden");
  assertProblem(await caller.call("POST", `/v1/keys/${id}/rotate`), 403, "forbidden");
});

test("nobody gets a key that may do more than his own, or for longer, by making or by rotating", async () => {
  const tenant = await api.newTenant();
  assertProblem(await make(tenant, { scopes: ["operator"] }), 403, "forbidden", ["scopes"]);
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  const later = new Date(Date.now() + 7_200_000).toISOString();
  const short = api.withKey((await make(tenant, { scopes: ["admin"], expiresAt: soon })).body.key);
  for (const expiresAt of [null, later])
    assertProblem(await make(short, { expiresAt }), 403, "forbidden", ["expiresAt"]);
  assert.equal((await make(short, { expiresAt: soon })).status, 201);
  const { id } = (await make(tenant, { scopes: ["read"] })).body;
  assertProblem(await short.call("POST", `/v1/keys/${id}/rotate`), 403, "forbidden", ["expiresAt"]);
  const { body } = await short.call("GET", "/v1/whoami");
  const own = await short.call("POST", `/v1/keys/${body.key.id}/rotate`);
  assert.deepEqual([own.status, own.body.expiresAt], [200, body.key.expiresAt]);

  await ensureNamespace(api.db, "powers");
  const there = { "bellhop-namespace": "powers" };
  const asOperator = { headers: there, body: { name: "ops", scopes: ["operator"] } };
  const ops = await api.operator.call("POST", "/v1/keys", asOperator);
  assert.equal(ops.status, 201);
  const asAdmin = { headers: there, body: { name: "boss", scopes: ["admin"] } };
  const admin = api.withKey((await api.operator.call("POST", "/v1/keys", asAdmin)).body.key);
  assertProblem(await admin.call("POST", `/v1/keys/${ops.body.id}/rotate`), 403, "forbidden");
  assertProblem(await admin.call("DELETE", `/v1/keys/${ops.body.id}`), 403, "forbidden");
  assert.equal((await whoami(ops.body.key)).status, 200);
});

test("a revoked key is refused, by another API's memory too, and stays in the list", async () => {
  const tenant = await api.newTenant();
  const { id, key } = (await make(tenant)).body;
  assert.equal((await whoami(key)).status, 200);
  assert.equal((await tenant.call("DELETE", `/v1/keys/${id}`)).status, 204);
  await until(async () => (await whoami(key)).status === 401 || undefined);
  const [listed] = (await tenant.call("GET", "/v1/keys")).body.items;
  assert.deepEqual([listed.id, listed.revokedAt !== null], [id, true]);
  assert.equal((await tenant.call("DELETE", `/v1/keys/${id}`)).status, 204);
  assert.equal((await tenant.call("GET", "/v1/keys")).body.items[0].revokedAt, listed.revokedAt);
  assertProblem(await tenant.call("POST", `/v1/keys/${id}/rotate`), 409, "key_not_valid");
});

/** A request whose body comes when it is told to. */
async function sendSlowly(key: string, path: string, body: string) {
  const [asked, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const arriving = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        asked.resolve();
        await told.promise;
        controller.enqueue(new TextEncoder().encode(body));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { authorization: `Bearer ${key}`, "transfer-encoding": "chunked" };
  const request = new Request(`http://api${path}`, {
    ...{ method: "POST", headers, body: arriving },
    duplex: "half",
  } as RequestInit);
  const answer = Promise.resolve(api.app.request(request));
  await asked.promise;
  return {
    async finish() {
      told.resolve();
      const response = await answer;
      return { status: response.status, code: ((await response.json()) as { code?: string }).code };
    },
  };
}

test("a key that is revoked while the body of its request comes does nothing any more", async () => {
  const tenant = await api.newTenant();
  const { namespace } = (await tenant.call("GET", "/v1/whoami")).body;
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const { id, key } = (await make(tenant, { scopes: ["admin"] })).body;
  const requests = [
    await sendSlowly(key, "/v1/keys", JSON.stringify({ name: "late", scopes: ["admin"] })),
    await sendSlowly(key, `/fn/${namespace}/greet`, "{}"),
  ];
  await tenant.call("DELETE", `/v1/keys/${id}`);
  await until(async () => (await whoami(key)).status === 401 || undefined);
  for (const { finish } of requests)
    assert.deepEqual(await finish(), { status: 401, code: "unauthenticated" });
  const { items } = (await tenant.call("GET", "/v1/keys")).body;
  assert.ok(!items.some(({ name }: { name: string }) => name === "late"));
  assert.deepEqual((await tenant.call("GET", "/v1/runs")).body.items, []);
});

test("the secret before a rotation gets nobody anything that lasts longer than its overlap", async () => {
  const tenant = await api.newTenant();
  const { id, key } = (await make(tenant, { scopes: ["admin"] })).body;
  const own = api.withKey(key);
  const rotated = (await own.call("POST", `/v1/keys/${id}/rotate`, { body: { overlap: "1h" } })).body;
  const old = await until(async () => {
    const { expiresAt } = (await whoami(key)).body.key;
    return expiresAt === rotated.previousUntil ? api.withKey(key) : undefined;
  });
  assertProblem(await make(old, { expiresAt: null }), 403, "forbidden", ["expiresAt"]);
  assert.equal((await make(old, { expiresAt: rotated.previousUntil })).status, 201);
  for (const body of [{}, { overlap: "0s" }])
    assertProblem(await old.call("POST", `/v1/keys/${id}/rotate`, { body }), 403, "forbidden", ["expiresAt"]);
  const { body: current } = await whoami(rotated.key);
  assert.deepEqual([current.key.id, current.key.expiresAt], [id, null]);
});

test("a rotation within the overlap of the one before is refused, unless it leaves the new secret alone", async () => {
  const tenant = await api.newTenant();
  const { id, key: old } = (await make(tenant)).body;
  const rotate = (body: object = {}) => tenant.call("POST", `/v1/keys/${id}/rotate`, { body: body as never });
  const { key } = (await rotate()).body;
  for (const body of [{}, { overlap: "1s" }]) assertProblem(await rotate(body), 409, "key_rotating");
  for (const each of [old, key]) assert.equal((await whoami(each)).status, 200);
  const last = (await rotate({ overlap: "0s" })).body.key;
  for (const each of [old, key]) await until(async () => (await whoami(each)).status === 401 || undefined);
  assert.equal((await whoami(last)).status, 200);
  assert.equal((await rotate()).status, 200);
});

test("an admin's or operator's key can only be rotated by itself: nobody acts under another's name", async () => {
  const tenant = await api.newTenant();
  const { id, key } = (await make(tenant, { scopes: ["admin"] })).body;
  const { namespace } = (await tenant.call("GET", "/v1/whoami")).body;
  const there = { "bellhop-namespace": namespace };
  const given = { headers: there, body: { name: "ops", scopes: ["operator"] } };
  const ops = (await api.operator.call("POST", "/v1/keys", given)).body;
  for (const rotated of [id, ops.id]) {
    const path = `/v1/keys/${rotated}/rotate`;
    assertProblem(await tenant.call("POST", path), 403, "forbidden");
    assertProblem(await api.operator.call("POST", path, { headers: there }), 403, "forbidden");
  }
  for (const each of [key, ops.key]) assert.equal((await whoami(each)).status, 200);
  assert.equal((await api.withKey(key).call("POST", `/v1/keys/${id}/rotate`)).status, 200);
  assert.equal((await api.withKey(ops.key).call("POST", `/v1/keys/${ops.id}/rotate`)).status, 200);
});

test("after a rotation both secrets are the key's, until the overlap is over", async () => {
  const tenant = await api.newTenant();
  const { id, key: old } = (await make(tenant)).body;
  const rotated = await tenant.call("POST", `/v1/keys/${id}/rotate`, { body: { overlap: "1h" } });
  assert.equal(rotated.status, 200);
  assert.equal(rotated.body.id, id);
  const overlapMs = Date.parse(rotated.body.previousUntil) - Date.now();
  assert.ok(overlapMs > 3_500_000 && overlapMs <= 3_600_000, `${overlapMs} ms`);
  for (const key of [old, rotated.body.key]) assert.equal((await whoami(key)).body.key.id, id);
  const atOnce = await tenant.call("POST", `/v1/keys/${id}/rotate`, { body: { overlap: "0s" } });
  for (const key of [old, rotated.body.key])
    await until(async () => (await whoami(key)).status === 401 || undefined);
  assert.equal((await whoami(atOnce.body.key)).status, 200);
  await tenant.call("POST", `/v1/keys/${id}/rotate`);
  await tenant.call("DELETE", `/v1/keys/${id}`);
  await until(async () => (await whoami(atOnce.body.key)).status === 401 || undefined);
});

test("the secret before a rotation ends no later than the key, and is told of no more when that has ended", async () => {
  const tenant = await api.newTenant();
  const expiresAt = new Date(Date.now() + 600_000).toISOString();
  const { id } = (await make(tenant, { expiresAt })).body;
  const rotate = () => tenant.call("POST", `/v1/keys/${id}/rotate`, { body: { overlap: "1h" } });
  assert.equal((await rotate()).body.previousUntil, expiresAt);
  const refused = await rotate();
  assertProblem(refused, 409, "key_rotating");
  assert.match(refused.body.detail, new RegExp(`valid until ${expiresAt}`));
  await tenant.call("DELETE", `/v1/keys/${id}`);
  const [shown] = (await tenant.call("GET", "/v1/keys")).body.items;
  assert.deepEqual([shown.id, shown.previousUntil], [id, null]);
});

test("a key for some functions does what its scopes say to them, and nothing else", async () => {
  const tenant = await api.newTenant();
  const { namespace } = (await tenant.call("GET", "/v1/whoami")).body;
  const source = { source: "export default () => 1;" };
  for (const name of ["greet", "other"]) await tenant.call("PUT", `/v1/functions/${name}`, { body: source });
  const caller = api.withKey(
    (await make(tenant, { scopes: ["read", "invoke"], functions: ["greet"] })).body.key,
  );
  assert.equal((await caller.call("GET", "/v1/functions/greet")).status, 200);
  const queued = { headers: { prefer: "respond-async" } };
  assert.equal((await caller.call("POST", "/v1/functions/greet/invoke", queued)).status, 202);
  assertProblem(await caller.call("PUT", "/v1/functions/greet", { body: source }), 403, "forbidden");
  const [there, nowhere] = await Promise.all(
    ["other", "nowhere"].map((name) => caller.call("POST", `/v1/functions/${name}/invoke`, queued)),
  );
  assertProblem(there!, 403, "forbidden");
  assert.deepEqual(nowhere!.body, there!.body);
  const [url, noUrl] = await Promise.all(
    ["other", "nowhere"].map((name) => caller.call("GET", `/fn/${namespace}/${name}`)),
  );
  assertProblem(url!, 403, "forbidden");
  assert.deepEqual(noUrl!.body, url!.body);
  for (const path of ["/v1/functions", "/v1/tasks", "/v1/runs", "/v1/secrets", "/v1/events"])
    assertProblem(await caller.call("GET", path), 403, "forbidden");
});
