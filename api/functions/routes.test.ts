/** Deploying, listing and reading functions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stopCompiler } from "../../functions/build/compiler.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const GREET = "export default (input: { name: string }) => ({ hello: input.name });";
const FILES = {
  "main.ts": 'import { greet } from "./lib/greet.ts";\nexport default () => greet();',
  "lib/greet.ts": 'export const greet = () => "hello";',
};

function multipart(parts: Record<string, string | File>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(parts)) form.append(name, value);
  return form;
}
const file = (name: string, text: string) => new File([text], name, { type: "text/typescript" });

test("a source becomes a function with its first revision: 201", async () => {
  const tenant = await api.newTenant();
  const { status, headers, body } = await tenant.call("PUT", "/v1/functions/greet", {
    body: { source: GREET },
  });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(headers.get("location"), "/v1/functions/greet");
  assert.equal(body.name, "greet");
  assert.deepEqual([body.revision.number, body.revision.entry], [1, "index.ts"]);
  assert.match(body.revision.contentHash, /^[0-9a-f]{64}$/);
  const { deployed, ...standing } = body;
  assert.deepEqual(deployed, { id: body.revision.id, number: 1 });
  assert.deepEqual((await tenant.call("GET", "/v1/functions/greet")).body, standing);
});

test("the same upload again is the revision that is there: 200, and nothing new", async () => {
  const tenant = await api.newTenant();
  const first = await tenant.call("PUT", "/v1/functions/greet", { body: { source: GREET } });
  const before = await api.countRows();
  const second = await tenant.call("PUT", "/v1/functions/greet", { body: { source: GREET } });
  assert.equal(second.status, 200);
  assert.deepEqual(second.body.revision, first.body.revision);
  assert.deepEqual(await api.countRows(), before);
});

test("another source is the next revision; the earlier one again takes its place back", async () => {
  const tenant = await api.newTenant();
  const deploy = (source: string) => tenant.call("PUT", "/v1/functions/greet", { body: { source } });
  const first = await deploy(GREET);
  const second = await deploy("export default () => 2;");
  assert.deepEqual([second.status, second.body.revision.number], [201, 2]);
  const back = await deploy(GREET);
  assert.deepEqual([back.status, back.body.revision.id], [200, first.body.revision.id]);
});

test("files with their entry, as JSON and as multipart, are the same revision", async () => {
  const tenant = await api.newTenant();
  const json = await tenant.call("PUT", "/v1/functions/greet", { body: { files: FILES, entry: "main.ts" } });
  assert.equal(json.status, 201, JSON.stringify(json.body));
  assert.equal(json.body.revision.entry, "main.ts");
  const form = multipart({
    a: file("main.ts", FILES["main.ts"]),
    b: file("lib/greet.ts", FILES["lib/greet.ts"]),
    entry: "main.ts",
  });
  const sent = await tenant.call("PUT", "/v1/functions/greet", { body: form });
  assert.deepEqual([sent.status, sent.body.revision], [200, json.body.revision]);
});

test("a file with U+0000 is refused by its name", async () => {
  const tenant = await api.newTenant();
  const form = multipart({ file: file("hello.ts", GREET), other: file("lib/a.ts", "// a\0b") });
  const answer = await tenant.call("PUT", "/v1/functions/zero", { body: form });
  assertProblem(answer, 422, "invalid_input", ["files.lib/a.ts"]);
});

test("a source that is not UTF-8 is refused by its name", async () => {
  const tenant = await api.newTenant();
  const latin1 = new File([Buffer.from("export default () => 'caf\xe9';", "latin1")], "index.ts");
  const replaced = file("a.ts", "export const broken = '\ufffd';");
  const put = (body: FormData) => tenant.call("PUT", "/v1/functions/latin", { body });
  assertProblem(await put(multipart({ a: replaced, b: latin1 })), 422, "invalid_input", ["files.index.ts"]);
  assert.equal((await put(multipart({ a: replaced, b: file("index.ts", GREET) }))).status, 201);
  const json = await api.app.request("/v1/functions/latin", {
    ...{
      method: "PUT",
      headers: { authorization: `Bearer ${tenant.key}`, "content-type": "application/json" },
    },
    body: Buffer.from(JSON.stringify({ source: "export default () => 'caf\xe9';" }), "latin1"),
  });
  assert.deepEqual([json.status, ((await json.json()) as { code: string }).code], [400, "invalid_json"]);
});

test("multipart takes one source as a field, and one file without an entry", async () => {
  const tenant = await api.newTenant();
  const field = await tenant.call("PUT", "/v1/functions/one", { body: multipart({ source: GREET }) });
  assert.deepEqual([field.status, field.body.revision.entry], [201, "index.ts"]);
  const single = await tenant.call("PUT", "/v1/functions/two", {
    body: multipart({ file: file("hello.ts", GREET) }),
  });
  assert.deepEqual([single.status, single.body.revision.entry], [201, "hello.ts"]);
});

test("the usual names are found as the entry", async () => {
  const tenant = await api.newTenant();
  const { body } = await tenant.call("PUT", "/v1/functions/greet", { body: { files: FILES } });
  assert.equal(body.revision.entry, "main.ts");
});

test("a source that does not build says where: field, file, line and column", async () => {
  const tenant = await api.newTenant();
  const before = await api.countRows();
  const source = "const a = 1;\nexport default () => {\n  retur a a;\n};";
  const single = await tenant.call("PUT", "/v1/functions/greet", { body: { source } });
  assertProblem(single, 422, "build_failed", ["source"]);
  const { message: _message, ...place } = single.body.errors[0];
  assert.deepEqual(place, { field: "source", file: "index.ts", line: 3, column: 9 });

  const several = await tenant.call("PUT", "/v1/functions/greet", {
    body: { files: { ...FILES, "lib/greet.ts": source }, entry: "main.ts" },
  });
  assertProblem(several, 422, "build_failed", ["files.lib/greet.ts"]);
  assert.deepEqual([several.body.errors[0].file, several.body.errors[0].line], ["lib/greet.ts", 3]);
  assertProblem(await tenant.call("GET", "/v1/functions/greet"), 404, "not_found");
  assert.deepEqual(await api.countRows(), before);
});

test("a failed deploy leaves the revision that stands", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: GREET } });
  const { body: standing } = await tenant.call("GET", "/v1/functions/greet");
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default (" } });
  assert.deepEqual((await tenant.call("GET", "/v1/functions/greet")).body, standing);
});

test("what is no function is refused", async () => {
  const tenant = await api.newTenant();
  const before = await api.countRows();
  for (const [body, code] of [
    [{ source: "export const a = 1;" }, "build_failed"],
    [{ source: 'import "axios";\nexport default () => null;' }, "build_failed"],
    [{ source: 'import "./missing.ts";\nexport default () => null;' }, "build_failed"],
    [{ files: { "../up.ts": GREET }, entry: "../up.ts" }, "build_failed"],
    [{ files: { "/etc/x.ts": GREET }, entry: "/etc/x.ts" }, "build_failed"],
  ] as const) {
    assertProblem(await tenant.call("PUT", "/v1/functions/greet", { body: body as never }), 422, code);
  }
  assert.deepEqual(await api.countRows(), before);
});

test("an upload that is not understood names its field", async () => {
  const tenant = await api.newTenant();
  const before = await api.countRows();
  for (const [body, fields] of [
    [{}, ["source"]],
    [{ source: GREET, files: FILES }, ["source"]],
    [{ source: "" }, ["source"]],
    [{ source: 1 }, ["source"]],
    [{ source: GREET, entry: "index.ts" }, ["entry"]],
    [{ files: {} }, ["files"]],
    [{ files: { "a.ts": GREET, "b.ts": GREET } }, ["entry"]],
    [{ files: FILES, entry: "missing.ts" }, ["entry"]],
    [{ files: FILES, entry: "constructor" }, ["entry"]],
    [{ source: GREET, memory: "1GB" }, ["memory"]],
  ] as const) {
    assertProblem(
      await tenant.call("PUT", "/v1/functions/greet", { body: body as never }),
      422,
      "invalid_input",
      [...fields],
    );
  }
  assertProblem(
    await tenant.call("PUT", "/v1/functions/greet", { body: multipart({}) }),
    422,
    "invalid_input",
    ["files"],
  );
  assertProblem(
    await tenant.call("PUT", "/v1/functions/greet", {
      body: "--x\r\nnot multipart",
      headers: { "content-type": "multipart/form-data; boundary=y" },
    }),
    400,
    "invalid_multipart",
  );
  assert.deepEqual(await api.countRows(), before);
});

test("a name that cannot be is refused by name", async () => {
  const tenant = await api.newTenant();
  for (const name of ["Greet", "1greet", "greet_me", "-greet", "x".repeat(64), "%00"]) {
    const answer = await tenant.call("PUT", `/v1/functions/${name}`, { body: { source: GREET } });
    assert.ok([404, 422].includes(answer.status), `${name}: ${answer.status}`);
  }
  assert.equal(
    (await tenant.call("PUT", `/v1/functions/${"x".repeat(63)}`, { body: { source: GREET } })).status,
    201,
  );
});

test("functions are listed newest first, in pages", async () => {
  const tenant = await api.newTenant();
  const names = ["one", "two", "three"];
  for (const name of names) await tenant.call("PUT", `/v1/functions/${name}`, { body: { source: GREET } });
  const { body: first } = await tenant.call("GET", "/v1/functions?limit=2");
  const { body: rest } = await tenant.call("GET", `/v1/functions?limit=2&cursor=${first.nextCursor}`);
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ name }: { name: string }) => name),
    names.toReversed(),
  );
  assert.equal(rest.nextCursor, null);
});

test("a function of the same name in another namespace is another function", async () => {
  const [one, other] = [await api.newTenant(), await api.newTenant()];
  const first = await one.call("PUT", "/v1/functions/greet", { body: { source: GREET } });
  const second = await other.call("PUT", "/v1/functions/greet", { body: { source: GREET } });
  assert.equal(second.status, 201);
  assert.notEqual(first.body.revision.id, second.body.revision.id);
});

test("two deploys of one function at once are two revisions", async () => {
  const tenant = await api.newTenant();
  const deployed = await Promise.all(
    [1, 2, 3, 4].map((value) =>
      tenant.call("PUT", "/v1/functions/greet", { body: { source: `export default () => ${value};` } }),
    ),
  );
  assert.deepEqual(
    deployed.map(({ status }) => status),
    [201, 201, 201, 201],
  );
  const last = await tenant.call("GET", "/v1/functions/greet");
  assert.ok(last.body.revision.number >= 1 && last.body.revision.number <= 4);
});

test("an upload whose compiler was interrupted is a 503 that says when to come again, and changes nothing", async () => {
  const tenant = await api.newTenant();
  let isAnswered = false;
  const answering = tenant.call("PUT", "/v1/functions/greet", { body: { source: GREET } }).finally(() => {
    isAnswered = true;
  });
  while (!isAnswered) {
    stopCompiler();
    await new Promise(setImmediate);
  }
  const answer = await answering;
  assertProblem(answer, 503, "build_interrupted");
  assert.equal(answer.headers.get("retry-after"), "5");
  assert.equal((await tenant.call("GET", "/v1/functions/greet")).status, 404);
  assert.equal((await tenant.call("PUT", "/v1/functions/greet", { body: { source: GREET } })).status, 201);
});
