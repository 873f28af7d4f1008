import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { newId } from "../ids.ts";
import { migrateDown, migrateUp } from "../migrate.ts";
import { loadSealedEnv, loadSealedEnvs } from "../secrets.ts";
import { deployFunction, revision } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { changeFunction, type DeployOptions, deployRevision } from "./deploy.ts";
import { findFunction } from "./functions.ts";
import { changeTraffic, rollBackTraffic } from "./traffic.ts";

const { db, store, newNamespace } = await openTestStore(createTestDatabase);

async function makeFunction() {
  const namespaceId = await newNamespace();
  const deploy = (code: string, options?: DeployOptions) =>
    deployRevision(db, namespaceId, "greet", revision(code), options);
  const change = async (env: Record<string, string>, options: DeployOptions = {}) =>
    (await changeFunction(db, namespaceId, "greet", () => ({ env, ...options })))!;
  return { namespaceId, deploy, change };
}

/** What a worker gives runs of the revision. */
const envOf = async (revisionId: string) => (await loadSealedEnv(store, revisionId))?.env;

/** What a worker of the release before gives runs of any revision. */
async function envOfFunction(functionId: string) {
  const { rows } = await sql<{ env: object }>`SELECT env FROM functions WHERE id = ${functionId}`.execute(db);
  return rows[0]!.env;
}

/** A revision as the release before inserts it: without settings of its own. */
async function insertAsBefore(functionId: string, number: number, contentHash: string): Promise<string> {
  const id = newId();
  await sql`INSERT INTO function_revisions
      (id, function_id, number, content_hash, entry, files, code, source_map, limits, reuse)
    VALUES (${id}, ${functionId}, ${number}, ${contentHash}, 'main.ts', '{}', '', '{}', '{}', true)`.execute(
    db,
  );
  return id;
}

test("the same content with other settings is another revision; with the same, the one already there", async () => {
  const { deploy } = await makeFunction();
  const one = await deploy("a", { env: { A: "1", B: "2" } });
  const two = await deploy("a", { env: { A: "2" } });
  assert.deepEqual([two.created, two.fn.revision.number, two.fn.env], [true, 2, { A: "2" }]);
  assert.equal(two.fn.revision.contentHash, one.fn.revision.contentHash);
  const back = await deploy("a", { env: { B: "2", A: "1" } });
  assert.deepEqual([back.created, back.revisionId, back.fn.env], [false, one.revisionId, { A: "1", B: "2" }]);
  assert.deepEqual(await envOf(two.revisionId), { A: "2" });
  assert.equal(await envOf(newId()), undefined);
});

test("the settings of several revisions are found together, each with the secrets it sees", async () => {
  const { namespaceId, deploy } = await makeFunction();
  const one = await deploy("a", { env: { A: "1" } });
  const other = await deployRevision(db, namespaceId, "other", revision("b"), { env: { B: "2" } });
  const sealed = Buffer.from("sealed");
  for (const [functionId, name] of [
    [other.fn.id, "OWN"],
    [null, "COMMON"],
  ])
    await sql`INSERT INTO secrets (namespace_id, function_id, name, sealed)
      VALUES (${namespaceId}, ${functionId}, ${name}, ${sealed})`.execute(db);
  const envs = await loadSealedEnvs(store, [one.revisionId, newId(), other.revisionId]);
  const told = (id: string) => {
    const { functionId, env, secrets } = envs.get(id)!;
    return { functionId, env, secrets: secrets.map(({ name, functionId: of }) => [name, of]) };
  };
  assert.equal(envs.size, 2);
  assert.deepEqual(told(one.revisionId), {
    ...{ functionId: one.fn.id, env: { A: "1" } },
    secrets: [["COMMON", null]],
  });
  assert.deepEqual(told(other.revisionId), {
    ...{ functionId: other.fn.id, env: { B: "2" } },
    secrets: [
      ["COMMON", null],
      ["OWN", other.fn.id],
    ],
  });
});

test("a deploy that names no settings takes those of the revision that leads", async () => {
  const { deploy } = await makeFunction();
  assert.deepEqual((await deploy("a")).fn.env, {});
  await deploy("b", { env: { A: "1" } });
  await deploy("c", { env: { A: "2" }, takesTraffic: false });
  const next = await deploy("d");
  assert.deepEqual([next.created, next.fn.env], [true, { A: "1" }]);
  const again = await deploy("a");
  assert.deepEqual([again.created, again.fn.env], [true, { A: "1" }], "as they are, not as they were");
});

test("content that the traffic reaches is found again with its own settings, and the split stays", async () => {
  const { deploy } = await makeFunction();
  const lead = await deploy("a", { env: { A: "1" } });
  const canary = await deploy("b", { env: { A: "2" }, takesTraffic: false });
  const split = { [lead.revisionId]: 90, [canary.revisionId]: 10 };
  await changeTraffic(db, lead.fn.id, split);
  for (const [code, { revisionId }] of [
    ["a", lead],
    ["b", canary],
  ] as const) {
    const again = await deploy(code);
    assert.deepEqual([again.created, again.revisionId, again.fn.traffic], [false, revisionId, split]);
  }
});

test("other settings are a copy of what leads, built as it was, with all traffic", async () => {
  const { namespaceId, change } = await makeFunction();
  const limits = { memoryMb: 64, concurrency: 2 };
  const given = revision("a", { limits, reuse: false, contentHash: "sha256:limited" });
  const { fn } = await deployRevision(db, namespaceId, "greet", given);
  const changed = await change({ A: "1" });
  assert.deepEqual([changed.created, changed.fn.traffic], [true, { [changed.revisionId]: 100 }]);
  assert.deepEqual([changed.fn.revision.number, changed.fn.revision.limits], [2, limits]);
  const { rows } = await sql<{ env: object; rest: object }>`
    SELECT env, to_jsonb(r) - '{id,number,created_at,env}'::text[] AS rest FROM function_revisions r
    WHERE function_id = ${fn.id} ORDER BY number`.execute(db);
  assert.deepEqual(rows[1], { env: { A: "1" }, rest: rows[0]!.rest });
});

test("the settings that stand already change nothing; those of an earlier revision bring it back", async () => {
  const { deploy, change } = await makeFunction();
  const one = await deploy("a", { env: { A: "1" } });
  const canary = await deploy("b", { takesTraffic: false });
  await changeTraffic(db, one.fn.id, { [one.revisionId]: 90, [canary.revisionId]: 10 });
  const { fn: before } = await deploy("a");
  assert.deepEqual(await change({ A: "1" }), { fn: before, revisionId: one.revisionId, created: false });
  const two = await change({ A: "2" });
  assert.deepEqual(two.fn.traffic, { [two.revisionId]: 100 });
  await changeTraffic(db, one.fn.id, { [two.revisionId]: 60, [canary.revisionId]: 40 });
  const back = await change({ A: "1" });
  assert.deepEqual([back.created, back.fn.traffic], [false, { [one.revisionId]: 100 }]);
});

test("changes that meet are made one after the other, and none is lost", async () => {
  const { namespaceId, deploy } = await makeFunction();
  await deploy("a");
  const names = ["A", "B", "C", "D", "E"];
  await Promise.all(
    names.map((name) =>
      changeFunction(db, namespaceId, "greet", (env) => ({ env: { ...env, [name]: "1" } })),
    ),
  );
  const fn = (await findFunction(db, namespaceId, "greet"))!;
  assert.deepEqual(Object.keys(fn.env).sort(), names);
  assert.equal(fn.revision.number, 6);
});

test("a change that is refused under the lock leaves the function as it was", async () => {
  const { namespaceId, deploy } = await makeFunction();
  const { fn } = await deploy("a", { env: { A: "1" } });
  const refuse = () => {
    throw new Error("refused");
  };
  await assert.rejects(changeFunction(db, namespaceId, "greet", refuse), /refused/);
  assert.deepEqual(await findFunction(db, namespaceId, "greet"), fn);
  assert.equal(await changeFunction(db, namespaceId, "nobody", refuse), undefined);
  assert.equal(await changeFunction(db, await newNamespace(), "greet", refuse), undefined);
});

test("settings as large as they may be tell revisions apart, whatever is in them", async () => {
  const { change, deploy } = await makeFunction();
  await deploy("a");
  const large = { A: String.raw`\x00 \n "é" `.repeat(2_500) };
  const one = await change(large);
  assert.equal((await change({ A: `${large.A}.` })).created, true);
  const again = await change(large);
  assert.deepEqual([again.created, again.revisionId], [false, one.revisionId]);
});

test("what leads gives the function's settings, which the release before reads", async () => {
  const { deploy, change } = await makeFunction();
  const one = await deploy("a", { env: { A: "1" } });
  const { id } = one.fn;
  await deploy("a", { env: { A: "2" }, takesTraffic: false });
  assert.deepEqual(await envOfFunction(id), { A: "1" });
  await change({ A: "3" });
  assert.deepEqual(await envOfFunction(id), { A: "3" });
  await rollBackTraffic(db, id);
  assert.deepEqual(await envOfFunction(id), { A: "1" });
  assert.deepEqual(await envOf(one.revisionId), { A: "1" });
});

test("a revision of the release before runs with its function's settings, and keeps what they were", async () => {
  const { namespaceId, deploy } = await makeFunction();
  const { fn } = await deploy("a", { env: { A: "1" } });
  const old = await insertAsBefore(fn.id, 2, "sha256:old");
  await sql`UPDATE functions SET env = '{"A": "2"}', active_revision_id = ${old},
    traffic = ${`{"${old}": 100}`}::jsonb, previous_traffic = traffic WHERE id = ${fn.id}`.execute(db);
  assert.deepEqual(await envOf(old), { A: "2" });
  assert.deepEqual((await findFunction(db, namespaceId, "greet"))!.env, { A: "2" });
  await rollBackTraffic(db, fn.id);
  assert.deepEqual([await envOf(fn.revision.id), await envOf(old)], [{ A: "1" }, { A: "2" }]);
  assert.deepEqual(await envOfFunction(fn.id), { A: "1" });
  const again = await deploy("old", { env: { A: "2" } });
  assert.deepEqual([again.created, again.revisionId], [false, old]);
});

test("the content of a revision is there once, whichever release wrote it", async () => {
  const id = await deployFunction(db, await newNamespace(), "greet");
  await insertAsBefore(id, 2, "sha256:old");
  await assert.rejects(insertAsBefore(id, 3, "sha256:old"), { code: "23505" });
});

/** The migration, after those that came later: one goes at a time. */
async function takeBack(): Promise<void> {
  while ((await migrateDown(store))[0] !== "0018-revision-env");
}

test("functions that stood before revisions had settings keep theirs, there and back", async () => {
  const { namespaceId, deploy, change } = await makeFunction();
  await takeBack();
  const id = newId();
  await sql`INSERT INTO functions (id, namespace_id, name, env)
    VALUES (${id}, ${namespaceId}, 'greet', '{"A": "1"}')`.execute(db);
  const [one, two] = [await insertAsBefore(id, 1, "sha256:a"), await insertAsBefore(id, 2, "sha256:b")];
  await sql`UPDATE functions SET active_revision_id = ${two}, traffic = ${`{"${two}": 100}`}::jsonb
    WHERE id = ${id}`.execute(db);
  assert.equal((await migrateUp(store))[0], "0018-revision-env");
  assert.deepEqual([await envOf(one), await envOf(two)], [{ A: "1" }, { A: "1" }]);
  const known = await deploy("b");
  assert.deepEqual([known.created, known.revisionId], [false, two]);
  const changed = await change({ A: "2" });
  assert.deepEqual([changed.created, changed.fn.env], [true, { A: "2" }]);
  assert.deepEqual([await envOf(one), await envOf(two)], [{ A: "1" }, { A: "1" }]);

  await takeBack();
  assert.deepEqual(await envOfFunction(id), { A: "2" });
  const { rows } = await sql<{ content_hash: string }>`
    SELECT content_hash FROM function_revisions WHERE function_id = ${id} ORDER BY number`.execute(db);
  assert.deepEqual(
    rows.map((row) => row.content_hash),
    ["sha256:a", "sha256:b", "sha256:b:3"],
  );
  assert.equal((await migrateUp(store))[0], "0018-revision-env");
});
