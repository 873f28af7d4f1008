/** Uploads that ask for packages by their lock file. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, test } from "node:test";
import { stopCompiler } from "../../functions/build/compiler.ts";
import { lockOf, startLocalRegistry } from "../../functions/build/packages/testing/local-registry.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const registry = await startLocalRegistry();
after(() => registry.close());
after(stopCompiler);
const offering = await openApi({ npmRegistry: registry.url });
const api = await openApi();

const { entry } = await registry.publish("word", { "index.js": "module.exports = 'hello';" });
const FILES = {
  "index.ts": 'import word from "word"; export default () => word;',
  ...lockOf({ word: "^1.0.0" }, { "node_modules/word": entry }),
};

test("are refused with what to do where no registry is named, and change nothing", async () => {
  const tenant = await api.newTenant();
  const before = await api.countRows();
  const answer = await tenant.call("PUT", "/v1/functions/word", { body: { files: FILES } });
  assertProblem(answer, 422, "build_failed", ["files.package-lock.json"]);
  assert.match(answer.body.detail, /BELLHOP_NPM_REGISTRY.*bundle what the function needs/);
  assert.deepEqual(await api.countRows(), before);
});

test("become revisions, addressed by their lock file too, as JSON and as multipart", async () => {
  const tenant = await offering.newTenant();
  const put = (body: Parameters<typeof tenant.call>[2]) => tenant.call("PUT", "/v1/functions/word", body);
  const first = await put({ body: { files: FILES } });
  assert.equal(first.status, 201, JSON.stringify(first.body));
  const form = new FormData();
  for (const [name, text] of Object.entries(FILES)) form.append("file", new File([text], name));
  const again = await put({ body: form });
  assert.deepEqual([again.status, again.body.revision], [200, first.body.revision]);
  const lock = `${FILES["package-lock.json"]}\n`;
  const relocked = await put({ body: { files: { ...FILES, "package-lock.json": lock } } });
  assert.deepEqual([relocked.status, relocked.body.revision.number], [201, 2]);
});

test("keep no other upload waiting while the registry does not answer", async () => {
  const tenant = await offering.newTenant();
  const { entry: slow, path } = await registry.publish("slow", { "index.js": "module.exports = 1;" });
  const asked = Promise.withResolvers<ServerResponse>();
  registry.answer(path, asked.resolve);
  const files = { ...FILES, ...lockOf({ slow: "1" }, { "node_modules/slow": slow }) };
  const deploying = tenant.call("PUT", "/v1/functions/slow", { body: { files } });
  let isOver = false;
  void deploying.then(() => {
    isOver = true;
  });
  const response = await asked.promise;
  const other = await tenant.call("PUT", "/v1/functions/other", {
    body: { source: "export default () => 1;" },
  });
  assert.deepEqual([other.status, isOver], [201, false]);
  response.writeHead(502).end();
  assertProblem(await deploying, 503, "registry_unavailable");
});

test("say whose fault it was where a package cannot be had", async () => {
  const tenant = await offering.newTenant();
  const { entry: lost, path: lostPath } = await registry.publish("lost");
  const files = { ...FILES, ...lockOf({ lost: "1" }, { "node_modules/lost": lost }) };
  registry.answer(lostPath, (response) => response.writeHead(404).end());
  const gone = await tenant.call("PUT", "/v1/functions/word", { body: { files } });
  assertProblem(gone, 422, "build_failed", ["files.package-lock.json"]);
  registry.answer(lostPath, (response) => response.writeHead(502).end());
  const away = await tenant.call("PUT", "/v1/functions/word", { body: { files } });
  assertProblem(away, 503, "registry_unavailable");
  assert.equal(away.headers.get("retry-after"), "5");
  const elsewhere = { ...entry, resolved: "http://169.254.169.254/word.tgz" };
  const stolen = await tenant.call("PUT", "/v1/functions/word", {
    body: { files: { ...FILES, ...lockOf({ word: "^1.0.0" }, { "node_modules/word": elsewhere }) } },
  });
  assertProblem(stolen, 422, "build_failed", ["files.package-lock.json"]);
});
