import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { newId } from "../ids.ts";
import { revision } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { deployRevision } from "./deploy.ts";
import { findFunction, listFunctions, loadRevision } from "./functions.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);

test("the first deploy makes the function and its first revision, active", async () => {
  const namespaceId = await newNamespace();
  const { fn, created } = await deployRevision(db, namespaceId, "greet", revision("one"));
  assert.equal(created, true);
  assert.deepEqual(
    [fn.name, fn.revision.number, fn.revision.contentHash, fn.revision.entry],
    ["greet", 1, "sha256:one", "main.ts"],
  );
  assert.deepEqual(await findFunction(db, namespaceId, "greet"), fn);
  assert.equal((await loadRevision(store, fn.revision.id)).code, "one");
});

test("the same content is the same revision, and nothing moves", async () => {
  const namespaceId = await newNamespace();
  const first = await deployRevision(db, namespaceId, "greet", revision("one"));
  const again = await deployRevision(db, namespaceId, "greet", revision("one"));
  assert.deepEqual(again, { fn: first.fn, revisionId: first.revisionId, created: false });
});

test("new content is the next number; an earlier one comes back as it was", async () => {
  const namespaceId = await newNamespace();
  const first = await deployRevision(db, namespaceId, "greet", revision("one"));
  const second = await deployRevision(db, namespaceId, "greet", revision("two"));
  assert.deepEqual([second.created, second.fn.revision.number], [true, 2]);
  assert.equal(second.fn.id, first.fn.id);
  assert.equal((await loadRevision(store, first.fn.revision.id)).code, "one", "the first one still runs");
  const back = await deployRevision(db, namespaceId, "greet", revision("one"));
  assert.deepEqual([back.created, back.fn.revision], [false, first.fn.revision]);
  const third = await deployRevision(db, namespaceId, "greet", revision("three"));
  assert.equal(third.fn.revision.number, 3);
});

test("deploys that meet get numbers of their own, none twice, none lost", async () => {
  const namespaceId = await newNamespace();
  const contents = ["a", "b", "c", "d", "a", "b", "c", "d"];
  const deploys = await Promise.all(
    contents.map((code) => deployRevision(db, namespaceId, "greet", revision(code))),
  );
  assert.equal(deploys.filter(({ created }) => created).length, 4);
  assert.equal(new Set(deploys.map(({ fn }) => fn.id)).size, 1);
  const rows = await db
    .selectFrom("function_revisions")
    .select(["number", "content_hash"])
    .where("function_id", "=", deploys[0]!.fn.id)
    .orderBy("number")
    .execute();
  assert.deepEqual(
    rows.map(({ number }) => number),
    [1, 2, 3, 4],
  );
  const hashes = rows.map(({ content_hash }) => content_hash).sort();
  assert.deepEqual(hashes, ["sha256:a", "sha256:b", "sha256:c", "sha256:d"]);
});

test("limits and reuse belong to the revision, and stand as they were asked for", async () => {
  const namespaceId = await newNamespace();
  const limits = { memoryMb: 64, concurrency: 2 };
  const given = { contentHash: "sha256:limited", limits, reuse: false };
  const { fn } = await deployRevision(db, namespaceId, "greet", revision("one", given));
  assert.deepEqual([fn.revision.limits, fn.revision.reuse], [limits, false]);
  assert.deepEqual(await loadRevision(store, fn.revision.id), { code: "one", limits, reuse: false });
  const plain = await deployRevision(db, namespaceId, "greet", revision("one"));
  assert.deepEqual([plain.fn.revision.limits, plain.fn.revision.reuse], [{}, true]);
  assert.deepEqual((await loadRevision(store, fn.revision.id)).limits, limits, "the first one keeps its own");
});

test("two functions may hold the same content", async () => {
  const namespaceId = await newNamespace();
  const a = await deployRevision(db, namespaceId, "a", revision("same"));
  const b = await deployRevision(db, namespaceId, "b", revision("same"));
  assert.ok(b.created);
  assert.notEqual(a.fn.revision.id, b.fn.revision.id);
});

test("a list of functions is newest first, page by page", async () => {
  const namespaceId = await newNamespace();
  for (const name of ["a", "b", "c"]) await deployRevision(db, namespaceId, name, revision(name));
  const first = await listFunctions(db, namespaceId, 1, undefined);
  assert.deepEqual(
    first.map(({ name }) => name),
    ["c", "b"],
    "one more tells of a next page",
  );
  const second = await listFunctions(db, namespaceId, 2, first[0]!.id);
  assert.deepEqual(
    second.map(({ name }) => name),
    ["b", "a"],
  );
});

test("what is not there is undefined, or throws where it must be there", async () => {
  assert.equal(await findFunction(db, await newNamespace(), "nobody"), undefined);
  await assert.rejects(loadRevision(store, newId()));
});
