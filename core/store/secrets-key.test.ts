import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { createSealer } from "../secrets/sealer.ts";
import { resealSecrets } from "./reseal-secrets.ts";
import { putSecret } from "./secrets.ts";
import { demandSecretsKey, listLostSecrets, removeLostSecrets } from "./secrets-key.ts";
import { findSigningSecrets } from "./signing-secrets.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);
const [old, fresh, strange] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const namespaceId = await newNamespace();

async function seal(name: string, keys: Buffer[]) {
  const place = { namespaceId, functionId: null, name };
  await putSecret(store, place, createSealer(keys).seal(place, `value of ${name}`));
}

/** The sentence; undefined where the keys will do. */
async function findRefusal(keys: Buffer[] | undefined): Promise<string | undefined> {
  return await demandSecretsKey(store, keys).then(
    () => undefined,
    (error: Error) => error.message,
  );
}

test("a key that does not open what is sealed is refused with what to do, at a change of keys too", async () => {
  for (const keys of [undefined, [strange]]) assert.equal(await findRefusal(keys), undefined);

  await seal("A", [old]);
  assert.equal(await findRefusal([old]), undefined);
  const missing = await findRefusal(undefined);
  assert.match(
    missing!,
    /^BELLHOP_SECRETS_KEY is not set, and the database holds 1 secret sealed with a key\./,
  );
  const wrong = await findRefusal([strange]);
  assert.match(
    wrong!,
    /^BELLHOP_SECRETS_KEY does not open 1 secret of the database, sealed with another key\./,
  );
  for (const words of [missing!, wrong!]) {
    assert.match(words, /Set it to the key they were sealed with .*npm run lost-secrets/);
    for (const form of ["hex", "base64"] as const) assert.ok(!words.includes(strange.toString(form)));
  }

  // While it is being changed, and after that.
  await seal("B", [fresh, old]);
  assert.equal(await findRefusal([fresh, old]), undefined);
  assert.match((await findRefusal([fresh]))!, /does not open 1 secret of/);
  assert.match((await findRefusal([strange]))!, /does not open 2 secrets of/);
  await seal("A", [fresh, old]);
  assert.equal(await findRefusal([fresh]), undefined);
});

test("what no key opens is listed by name, and only that is removed", async () => {
  await seal("A", [old]);
  await seal("B", [fresh]);
  const lost = await listLostSecrets(store, [fresh]);
  assert.deepEqual(
    lost.map(({ function: owner, name }) => [owner, name]),
    [[null, "A"]],
  );
  assert.equal(await removeLostSecrets(store, [fresh]), 1);
  assert.equal(await findRefusal([fresh]), undefined);
  assert.match((await findRefusal([old]))!, /1 secret of/);
});

test("a signing secret that no key opens is refused, listed and removed likewise, and another one is made", async () => {
  await findSigningSecrets(store, createSealer([strange]), namespaceId);
  assert.match((await findRefusal([old, fresh]))!, /does not open 1 secret of/);
  const names = (await listLostSecrets(store, [old, fresh])).map(({ name }) => name);
  assert.deepEqual(names, ["signing secret 1"]);
  assert.equal(await removeLostSecrets(store, [old, fresh]), 1);
  assert.equal(await findRefusal([old, fresh]), undefined);
  assert.equal((await findSigningSecrets(store, createSealer([fresh]), namespaceId)).length, 1);
});

test("once everything is sealed anew the old key can be left out, and each secret is what it was", async () => {
  const both = [fresh, old];
  await seal("A", [old]);
  await seal("B", [fresh]);
  const other = await newNamespace();
  const signing = await findSigningSecrets(store, createSealer([old]), other);
  assert.match((await findRefusal([fresh]))!, /does not open 2 secrets of/);
  assert.equal(await resealSecrets(store, both), 2);
  assert.equal(await findRefusal([fresh]), undefined);
  assert.deepEqual(await findSigningSecrets(store, createSealer([fresh]), other), signing);
  const place = { namespaceId, functionId: null, name: "A" };
  const { rows } = await store.pool.query<{ sealed: Buffer }>("SELECT sealed FROM secrets WHERE name = 'A'");
  assert.equal(createSealer([fresh]).open(place, rows[0]!.sealed), "value of A");
  assert.equal(await resealSecrets(store, both), 0);
});

test("what none of the keys opens is not sealed anew, and said by its name", async () => {
  await seal("A", [strange]);
  await assert.rejects(
    resealSecrets(store, [fresh, old]),
    /secret A was sealed with a key that is not known/,
  );
  assert.equal(await findRefusal([strange, fresh]), undefined);
});
