import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Json, JsonObject } from "../../core/json.ts";
import { EDGE_LIMITS } from "../edge/edge.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

const source = (value: number) => `export default () => ${value};`;

/** A function with so many revisions, the newest one with all traffic; their ids, the oldest first. */
async function deploy(tenant: TestCaller, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let value = 1; value <= count; value += 1) {
    const answer = await tenant.call("PUT", "/v1/functions/greet", { body: { source: source(value) } });
    assert.equal(answer.status, 201);
    ids.push(answer.body.revision.id);
  }
  return ids;
}

/** The revision that a worker would run for this call. */
async function revisionOfCall(tenant: TestCaller, query = ""): Promise<string | null> {
  const answer = await tenant.call("POST", `/v1/functions/greet/invoke${query}`, {
    body: {},
    headers: { prefer: "respond-async" },
  });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const run = await api.work(answer.body.runId, { state: "succeeded", result: null });
  return run.revisionId;
}

test("revisions are listed newest first, in pages, with their share and tags", async () => {
  const tenant = await api.newTenant();
  const [one, two, three] = await deploy(tenant, 3);
  await tenant.call("PUT", "/v1/functions/greet/tags/stable", { body: { revision: 1 } });
  const first = await tenant.call("GET", "/v1/functions/greet/revisions?limit=2");
  const rest = await tenant.call("GET", `/v1/functions/greet/revisions?cursor=${first.body.nextCursor}`);
  const all = [...first.body.items, ...rest.body.items];
  assert.deepEqual(
    all.map(({ id, number, percent, tags }) => [id, number, percent, tags]),
    [
      [three, 3, 100, []],
      [two, 2, 0, []],
      [one, 1, 0, ["stable"]],
    ],
  );
  assert.equal(rest.body.nextCursor, null);
  assertProblem(await tenant.call("GET", "/v1/functions/greet/revisions?cursor=x"), 422, "invalid_input", [
    "cursor",
  ]);
});

test("a revision is found by id and by number; its files by hash, with their text on request", async () => {
  const tenant = await api.newTenant();
  const [one] = await deploy(tenant, 2);
  const byNumber = await tenant.call("GET", "/v1/functions/greet/revisions/1");
  assert.deepEqual((await tenant.call("GET", `/v1/functions/greet/revisions/${one}`)).body, byNumber.body);
  assert.equal(byNumber.body.files["index.ts"].bytes, source(1).length);
  assert.match(byNumber.body.files["index.ts"].sha256, /^[0-9a-f]{64}$/);
  assert.equal(byNumber.body.files["index.ts"].source, undefined);
  const shown = await tenant.call("GET", "/v1/functions/greet/revisions/1?source=true");
  assert.equal(shown.body.files["index.ts"].source, source(1));
  for (const unknown of ["3", "0", "x", crypto.randomUUID()]) {
    assertProblem(await tenant.call("GET", `/v1/functions/greet/revisions/${unknown}`), 404, "not_found");
  }
});

test("files are told apart by the bytes of their text, and texts are read as far as uploads have room", async () => {
  const tenant = await api.newTenant();
  const files = { "index.ts": "export default () => 'né 🔔 \\u0041';", "data/é.txt": "ü", "empty.txt": "" };
  await tenant.call("PUT", "/v1/functions/greet", { body: { files, entry: "index.ts" } });
  const facts = Object.entries(files).map(([path, text]) => {
    const bytes = Buffer.from(text);
    return [path, { sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.byteLength }];
  });
  const path = "/v1/functions/greet/revisions/1";
  assert.deepEqual((await tenant.call("GET", path)).body.files, Object.fromEntries(facts));
  const claimant = { namespaceId: tenant.namespaceId, functionId: "an upload" };
  api.edge.uploads.take(claimant, EDGE_LIMITS.uploads.namespace);
  assertProblem(await tenant.call("GET", `${path}?source=true`), 503, "too_many_bodies");
  assert.equal((await tenant.call("GET", path)).status, 200);
  assert.equal((await tenant.call("GET", `${path}/diff`)).status, 200);
  api.edge.uploads.release(claimant, EDGE_LIMITS.uploads.namespace);
  const shown = await tenant.call("GET", `${path}?source=true`);
  for (const [name, text] of Object.entries(files)) assert.equal(shown.body.files[name].source, text);
  assert.equal(api.edge.uploads.held, 0);
});

test("traffic moves between revisions, named by id or number, and runs follow it", async () => {
  const tenant = await api.newTenant();
  const [one, two] = await deploy(tenant, 2);
  assert.equal(await revisionOfCall(tenant), two);
  const split = await tenant.call("PUT", "/v1/functions/greet/traffic", { body: { [one!]: 50, "2": 50 } });
  assert.equal(split.status, 200);
  assert.deepEqual(split.body.traffic, { [one!]: 50, [two!]: 50 });
  const seen = new Set<string | null>();
  for (let call = 0; call < 40; call += 1) seen.add(await revisionOfCall(tenant));
  assert.deepEqual([...seen].sort(), [one, two]);
  const back = await tenant.call("PUT", "/v1/functions/greet/traffic", { body: { "1": 100, "2": 0 } });
  assert.deepEqual([back.body.traffic, back.body.revision.id], [{ [one!]: 100 }, one]);
  assert.equal(await revisionOfCall(tenant), one);
});

test("traffic that cannot be is refused by its field, and nothing moves", async () => {
  const tenant = await api.newTenant();
  const [one] = await deploy(tenant, 2);
  const before = (await tenant.call("GET", "/v1/functions/greet")).body;
  for (const [body, fields] of [
    [{ "1": 50, "2": 40 }, [""]],
    [{}, [""]],
    [{ "1": 50.5, "2": 49.5 }, ["1", "2"]],
    [{ "1": -1, "2": 101 }, ["1", "2"]],
    [{ "1": "100" }, ["1"]],
    [{ "9": 100 }, ["9"]],
    [{ "1": 50, [one!]: 50 }, [one!]],
  ] as const) {
    const answer = await tenant.call("PUT", "/v1/functions/greet/traffic", { body: body as never });
    assertProblem(answer, 422, "invalid_input", [...fields]);
  }
  assert.deepEqual((await tenant.call("GET", "/v1/functions/greet")).body, before);
});

test("a rollback brings the traffic before the last change back; a second one undoes it", async () => {
  const tenant = await api.newTenant();
  const [one] = await deploy(tenant, 1);
  assertProblem(await tenant.call("POST", "/v1/functions/greet/rollback"), 409, "nothing_to_roll_back");
  const [, two] = [
    one,
    (await tenant.call("PUT", "/v1/functions/greet", { body: { source: source(2) } })).body,
  ];
  const back = await tenant.call("POST", "/v1/functions/greet/rollback");
  assert.deepEqual([back.status, back.body.traffic], [200, { [one!]: 100 }]);
  assert.equal(await revisionOfCall(tenant), one);
  const again = await tenant.call("POST", "/v1/functions/greet/rollback");
  assert.deepEqual(again.body.traffic, { [two.revision.id]: 100 });
});

test("a rollback takes a revision, by its number or id, and refuses what it does not know", async () => {
  const tenant = await api.newTenant();
  const [one, two, three] = await deploy(tenant, 3);
  const rollBack = (body: Json) => tenant.call("POST", "/v1/functions/greet/rollback", { body });
  for (const [named, id] of [
    [1, one],
    ["2", two],
    [three!, three],
  ] as const) {
    const answer = await rollBack({ revision: named });
    assert.deepEqual([answer.status, answer.body.traffic], [200, { [id!]: 100 }]);
    assert.equal(await revisionOfCall(tenant), id);
  }
  assert.deepEqual((await rollBack({})).body.traffic, { [two!]: 100 }, "before the last change");
  const before = (await tenant.call("GET", "/v1/functions/greet")).body;
  for (const [body, fields] of [
    [{ revision: 9 }, ["revision"]],
    [{ revision: randomUUID() }, ["revision"]],
    [{ revision: null }, ["revision"]],
    [{ to: 1 }, ["to"]],
  ] as const)
    assertProblem(await rollBack(body), 422, "invalid_input", [...fields]);
  assert.deepEqual((await tenant.call("GET", "/v1/functions/greet")).body, before);
});

test("known content deployed again leaves a split as it is, unless traffic is asked for", async () => {
  const tenant = await api.newTenant();
  const [one, two] = await deploy(tenant, 2);
  const put = (body: JsonObject) => tenant.call("PUT", "/v1/functions/greet", { body });
  const split = { [one!]: 90, [two!]: 10 };
  await tenant.call("PUT", "/v1/functions/greet/traffic", { body: split });
  for (const value of [1, 2]) {
    const again = await put({ source: source(value) });
    assert.deepEqual([again.status, again.body.traffic, again.body.deployed.number], [200, split, value]);
  }
  assert.deepEqual((await put({ source: source(2), traffic: 0 })).body.traffic, split);
  assert.deepEqual((await put({ source: source(2), traffic: 100 })).body.traffic, { [two!]: 100 });
  assert.deepEqual((await put({ source: source(1) })).body.traffic, { [one!]: 100 }, "nothing was split");
});

test("a deploy that waits leaves the traffic as it is, and a tag reaches it", async () => {
  const tenant = await api.newTenant();
  const [one] = await deploy(tenant, 1);
  const body = { source: source(2), traffic: 0, tag: "next" };
  const waiting = await tenant.call("PUT", "/v1/functions/greet", { body });
  assert.equal(waiting.status, 201);
  assert.deepEqual(waiting.body.traffic, { [one!]: 100 });
  assert.deepEqual(waiting.body.deployed, { id: waiting.body.tags.next, number: 2 });
  const next = waiting.body.tags.next;
  assert.notEqual(next, one);
  assert.equal(await revisionOfCall(tenant), one);
  assert.equal(await revisionOfCall(tenant, "?tag=next"), next);
  assert.equal(await revisionOfCall(tenant, "?revision=2"), next);
  assertProblem(
    await tenant.call("PUT", "/v1/functions/greet", { body: { source: source(3), traffic: 10 } }),
    422,
    "invalid_input",
    ["traffic"],
  );
});

test("a first deploy that waits is reached by its tag alone", async () => {
  const tenant = await api.newTenant();
  const body = { source: source(1), traffic: 0, tag: "next" };
  const { body: fn } = await tenant.call("PUT", "/v1/functions/greet", { body });
  assert.deepEqual(fn.traffic, {});
  assert.equal(await revisionOfCall(tenant), null);
  assert.equal(await revisionOfCall(tenant, "?tag=next"), fn.revision.id);
});

test("a tag moves, goes, and one that is gone reaches nothing", async () => {
  const tenant = await api.newTenant();
  const [one, two] = await deploy(tenant, 2);
  const put = (revision: string) =>
    tenant.call("PUT", "/v1/functions/greet/tags/beta", { body: { revision } });
  assert.deepEqual((await put("1")).body.tags, { beta: one });
  assert.deepEqual((await put("2")).body.tags, { beta: two });
  assertProblem(await put("7"), 422, "invalid_input", ["revision"]);
  const queued = await tenant.call("POST", "/v1/functions/greet/invoke?tag=beta", {
    headers: { prefer: "respond-async" },
  });
  assert.equal((await tenant.call("DELETE", "/v1/functions/greet/tags/beta")).status, 204);
  assert.equal((await api.start(queued.body.runId)).revisionId, null);
  assertProblem(await tenant.call("DELETE", "/v1/functions/greet/tags/beta"), 404, "not_found");
  for (const [query, field] of [
    ["?tag=beta", "tag"],
    ["?tag=constructor", "tag"],
    ["?revision=9", "revision"],
    ["?tag=beta&revision=1", "tag"],
  ]) {
    assertProblem(await tenant.call("POST", `/v1/functions/greet/invoke${query}`), 422, "invalid_input", [
      field!,
    ]);
  }
});

test("moving traffic takes a deploy key, and nothing crosses namespaces", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 2);
  const reader = await api.newCaller(tenant.namespaceId, ["read", "invoke"]);
  const stranger = await api.newTenant();
  for (const [method, path, body] of [
    ["PUT", "traffic", { "1": 100 }],
    ["POST", "rollback", undefined],
    ["PUT", "tags/beta", { revision: "1" }],
    ["DELETE", "tags/beta", undefined],
  ] as const) {
    const options = body ? { body } : {};
    assertProblem(await reader.call(method, `/v1/functions/greet/${path}`, options), 403, "forbidden");
    assertProblem(await stranger.call(method, `/v1/functions/greet/${path}`, options), 404, "not_found");
  }
  assert.equal((await reader.call("GET", "/v1/functions/greet/revisions")).status, 200);
});

test("what changed between two revisions: files with both hashes, limits, entry", async () => {
  const tenant = await api.newTenant();
  const put = async (body: Record<string, unknown>) =>
    (await tenant.call("PUT", "/v1/functions/greet", { body: body as never })).body.revision;
  const main = (text: string) => `import { n } from "./lib.ts"; export default () => n + ${text};`;
  const lib = "export const n = 1;";
  const one = await put({ files: { "main.ts": main("1"), "lib.ts": lib }, entry: "main.ts" });
  const limits = { memoryMb: 64 };
  const two = await put({ files: { "main.ts": main("22"), "lib.ts": lib, "more.ts": "" }, limits });
  const three = await put({ files: { "index.ts": "export default 1" }, entry: "index.ts", reuse: false });
  const { body: diff } = await tenant.call("GET", "/v1/functions/greet/revisions/2/diff");
  assert.deepEqual(diff.from, { id: one.id, number: 1 });
  assert.deepEqual(diff.to, { id: two.id, number: 2 });
  assert.deepEqual(diff.limits, { memoryMb: { from: 128, to: 64 } });
  const { body: shown } = await tenant.call("GET", "/v1/functions/greet/revisions/2");
  const { body: before } = await tenant.call("GET", "/v1/functions/greet/revisions/1");
  assert.deepEqual(diff.files, [
    { path: "main.ts", change: "changed", from: before.files["main.ts"], to: shown.files["main.ts"] },
    { path: "more.ts", change: "added", from: null, to: shown.files["more.ts"] },
  ]);
  const { body: far } = await tenant.call("GET", `/v1/functions/greet/revisions/${three.id}/diff?from=1`);
  assert.deepEqual(
    [far.entry, far.reuse],
    [
      { from: "main.ts", to: "index.ts" },
      { from: true, to: false },
    ],
  );
  assert.deepEqual(
    far.files.map(({ path, change }: { path: string; change: string }) => [path, change]),
    [
      ["index.ts", "added"],
      ["lib.ts", "removed"],
      ["main.ts", "removed"],
    ],
  );
  const { body: first } = await tenant.call("GET", "/v1/functions/greet/revisions/1/diff");
  assert.deepEqual([first.from, first.limits, first.files.length], [null, {}, 2]);
  const { body: same } = await tenant.call("GET", "/v1/functions/greet/revisions/2/diff?from=2");
  assert.deepEqual([same.files, same.limits], [[], {}]);
  assertProblem(await tenant.call("GET", "/v1/functions/greet/revisions/9/diff"), 404, "not_found");
  const unknown = await tenant.call("GET", "/v1/functions/greet/revisions/2/diff?from=9");
  assertProblem(unknown, 422, "invalid_input", ["from"]);
});
