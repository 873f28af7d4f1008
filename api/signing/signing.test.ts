import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, newCaller, db } = await openApi();
const PATH = "/v1/signing-secrets";

const secretsOf = ({ body }: { body: { items: { secret: string }[] } }) =>
  body.items.map(({ secret }) => secret);

test("a namespace has a signing secret from when it is first asked for, sealed, and its own", async () => {
  const [one, other] = [await newTenant(), await newTenant()];
  // However many ask at once.
  const asked = await Promise.all(Array.from({ length: 5 }, () => one.call("GET", PATH)));
  const [secret, ...more] = secretsOf(asked[0]!);
  assert.match(secret!, /^whsec_[A-Za-z0-9+/]{43}=$/);
  assert.deepEqual(more, []);
  for (const answer of asked) assert.deepEqual(secretsOf(answer), [secret]);
  assert.notDeepEqual(secretsOf(await other.call("GET", PATH)), [secret]);
  const { rows } = await sql<{ sealed: Buffer }>`SELECT sealed FROM signing_secrets`.execute(db);
  assert.ok(rows.length >= 2 && rows.every(({ sealed }) => !sealed.includes("whsec_")));
});

test("after a rotation the one before stays valid, until the next one", async () => {
  const tenant = await newTenant();
  const [first] = secretsOf(await tenant.call("GET", PATH));
  const rotated = await tenant.call("POST", `${PATH}/rotate`);
  assert.equal(rotated.status, 200);
  const [second, kept] = secretsOf(rotated);
  assert.equal(kept, first);
  assert.deepEqual(secretsOf(await tenant.call("GET", PATH)), [second, first]);
  const again = secretsOf(await tenant.call("POST", `${PATH}/rotate`));
  assert.deepEqual([again.length, again[1]], [2, second]);
  // Two at once are two, one after the other.
  await Promise.all([tenant.call("POST", `${PATH}/rotate`), tenant.call("POST", `${PATH}/rotate`)]);
  const last = secretsOf(await tenant.call("GET", PATH));
  assert.equal(new Set([...last, ...again]).size, 4);
});

test("a rotation is audited with when those were made that were valid before, and are now", async () => {
  const tenant = await newTenant();
  await tenant.call("POST", `${PATH}/rotate`);
  await tenant.call("POST", `${PATH}/rotate`);
  const { items } = (await tenant.call("GET", "/v1/audit?resource=signing-secrets")).body;
  const [second, first] = items;
  assert.deepEqual([first.before, first.after.secrets.length], [null, 2]);
  assert.deepEqual(second.before, first.after);
  assert.equal(second.after.secrets[1].createdAt, first.after.secrets[0].createdAt);
});

test("no cache keeps them", async () => {
  const tenant = await newTenant();
  for (const answer of [await tenant.call("GET", PATH), await tenant.call("POST", `${PATH}/rotate`)])
    assert.equal(answer.headers.get("cache-control"), "no-store");
});

test("only an administrator sees them", async () => {
  const { namespaceId } = await newTenant();
  const caller = await newCaller(namespaceId, ["read", "write", "deploy", "invoke"]);
  assertProblem(await caller.call("GET", PATH), 403, "forbidden");
  assertProblem(await caller.call("POST", `${PATH}/rotate`), 403, "forbidden");
});
