import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../core/json.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const PATH = "/v1/functions/greet";

async function deployGreet(options: JsonObject = { env: { A: "1", B: "2" } }) {
  const tenant = await api.newTenant();
  const put = (value: number, more: JsonObject = {}) =>
    tenant.call("PUT", PATH, { body: { source: `export default () => ${value};`, ...more } });
  const { status, body: fn } = await put(1, options);
  assert.equal(status, 201);
  const patch = (body: Json) => tenant.call("PATCH", PATH, { body });
  const read = async () => (await tenant.call("GET", PATH)).body;
  return { tenant, put, patch, read, fn };
}

test("settings change without the source: they merge, and null takes a name away", async () => {
  const { tenant, patch, read, fn } = await deployGreet();
  const changed = await patch({ env: { A: "changed", B: null, C: "new", D: null } });
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  assert.deepEqual(changed.body.env, { A: "changed", C: "new" });
  const { deployed, ...shown } = changed.body;
  assert.deepEqual(shown, await read());
  assert.deepEqual(deployed, { id: shown.revision.id, number: 2 });
  assert.deepEqual(shown.traffic, { [deployed.id]: 100 });
  assert.equal(shown.revision.contentHash, fn.revision.contentHash);
  const revisions = ["1", "2"].map((number) => tenant.call("GET", `${PATH}/revisions/${number}?source=true`));
  const [before, after] = (await Promise.all(revisions)).map(({ body }) => body);
  assert.deepEqual(before.env, { A: "1", B: "2" });
  assert.deepEqual(after.env, { A: "changed", C: "new" });
  assert.deepEqual(after.files, before.files);
  const { body: diff } = await tenant.call("GET", `${PATH}/revisions/2/diff`);
  assert.deepEqual([diff.files, diff.limits], [[], {}]);
  assert.deepEqual(diff.env, {
    A: { from: "1", to: "changed" },
    B: { from: "2", to: null },
    C: { from: null, to: "new" },
  });
  const { body: first } = await tenant.call("GET", `${PATH}/revisions/1/diff`);
  assert.deepEqual(first.env, { A: { from: null, to: "1" }, B: { from: null, to: "2" } });
});

test("null for all of the settings clears them", async () => {
  const { patch } = await deployGreet();
  assert.deepEqual((await patch({ env: null })).body.env, {});
});

test("what stands already changes nothing", async () => {
  const { patch, read, fn } = await deployGreet();
  const before = await read();
  for (const same of [{}, { env: {} }, { env: { B: "2" } }, { env: { C: null } }, { public: false }]) {
    const answer = await patch(same);
    assert.deepEqual([answer.status, answer.body], [200, { ...before, deployed: fn.deployed }]);
  }
  assert.deepEqual(await read(), before);
});

test("a rollback brings the settings back that went with the revision", async () => {
  const { tenant, patch } = await deployGreet();
  await patch({ env: { A: "changed" } });
  const rollBack = async (body?: Json) =>
    (await tenant.call("POST", `${PATH}/rollback`, body === undefined ? {} : { body })).body.env;
  assert.deepEqual(await rollBack(), { A: "1", B: "2" });
  assert.deepEqual(await rollBack({ revision: 2 }), { A: "changed", B: "2" });
  const { body } = await tenant.call("PUT", `${PATH}/traffic`, { body: { "1": 60, "2": 40 } });
  assert.deepEqual(body.env, { A: "1", B: "2" }, "those of the revision that leads");
});

test("a change may wait without traffic, under a tag", async () => {
  const { tenant, patch, fn } = await deployGreet();
  const waiting = await patch({ env: { A: "tried" }, traffic: 0, tag: "next" });
  assert.deepEqual([waiting.body.traffic, waiting.body.env], [fn.traffic, fn.env]);
  assert.deepEqual(waiting.body.tags, { next: waiting.body.deployed.id });
  const { body: tried } = await tenant.call("GET", `${PATH}/revisions/${waiting.body.deployed.id}`);
  assert.deepEqual(tried.env, { A: "tried", B: "2" });
  const taken = await patch({ env: { A: "tried" } });
  assert.deepEqual([taken.body.deployed, taken.body.env], [waiting.body.deployed, tried.env]);
});

test("a deploy of known content with known settings leaves a split as it is", async () => {
  const { tenant, put, patch, fn } = await deployGreet();
  const { body: changed } = await patch({ env: { A: "changed" }, traffic: 0 });
  const split = { [fn.revision.id]: 90, [changed.deployed.id]: 10 };
  await tenant.call("PUT", `${PATH}/traffic`, { body: split });
  for (const [more, deployed] of [
    [{}, fn.deployed],
    [{ env: fn.env }, fn.deployed],
    [{ env: { A: "changed", B: "2" } }, changed.deployed],
  ] as const) {
    const { status, body } = await put(1, more);
    assert.deepEqual([status, body.traffic, body.deployed], [200, split, deployed]);
  }
  const asked = await put(1, { env: { A: "changed", B: "2" }, traffic: 100 });
  assert.deepEqual(asked.body.traffic, { [changed.deployed.id]: 100 });
  const other = await put(1, { env: { A: "third" } });
  assert.deepEqual([other.status, other.body.deployed.number], [201, 3]);
});

test("whether the URL needs no key changes by itself, and makes no revision", async () => {
  const { patch, fn } = await deployGreet();
  const { body } = await patch({ public: true });
  assert.deepEqual([body.public, body.revision, body.traffic], [true, fn.revision, fn.traffic]);
});

test("a change that is refused names its field and changes nothing", async () => {
  const { patch, read } = await deployGreet();
  const before = await read();
  const many = Object.fromEntries(Array.from({ length: 99 }, (_, n) => [`N${n}`, "x"]));
  for (const [body, fields] of [
    [{ source: "export default () => 2;" }, ["source"]],
    [{ limits: { memoryMb: 64 } }, ["limits"]],
    [{ name: "other", colour: null }, ["colour", "name"]],
    [{ env: { "a-b": "1" } }, ["env.a-b"]],
    [{ env: { "a-b": null } }, ["env.a-b"]],
    [{ env: { A: 1 } }, ["env.A"]],
    [{ env: [] }, ["env"]],
    [{ env: "A=1" }, ["env"]],
    [{ env: many }, ["env"]],
    [{ env: { A: "x".repeat(65_536) } }, ["env"]],
    [{ env: { A: "x" }, traffic: 50 }, ["traffic"]],
    [{ env: { A: "x" }, tag: "Not A Tag" }, ["tag"]],
    [{ env: { A: "x" }, public: null }, ["public"]],
  ] as [Json, string[]][])
    assertProblem(await patch(body), 422, "invalid_input", fields);
  for (const body of ["null", "[]", `"text"`]) assertProblem(await patch(body), 422, "invalid_input");
  assert.deepEqual(await read(), before);
});

test("the bounds hold for what a change comes to: what it takes away makes room", async () => {
  const full = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`N${n}`, "x"]));
  const { patch } = await deployGreet({ env: full });
  assertProblem(await patch({ env: { MORE: "1" } }), 422, "invalid_input", ["env"]);
  const { body } = await patch({ env: { MORE: "1", N7: null } });
  assert.equal(Object.keys(body.env).length, 100);
});

test("a function that is not there, or another's, is a 404; a key needs the scope deploy", async () => {
  const { tenant, patch } = await deployGreet();
  const change = { body: { env: { A: "mine" } } };
  const stranger = await api.newTenant();
  assertProblem(await stranger.call("PATCH", PATH, change), 404, "not_found");
  assertProblem(await tenant.call("PATCH", "/v1/functions/Not%20A%20Name", change), 404, "not_found");
  const writer = await api.newCaller(tenant.namespaceId, ["read", "write", "invoke"]);
  assertProblem(await writer.call("PATCH", PATH, change), 403, "forbidden");
  await tenant.call("DELETE", PATH);
  assertProblem(await patch({ env: { A: "late" } }), 404, "not_found");
});
