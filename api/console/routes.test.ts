/** `/console` as it is served: where it stands, what it may load, how large it is. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { openApi } from "../testing/open-api.ts";
import { readConsoleBundle } from "./bundle.ts";

/** What a first load may come to, compressed; the editor comes later. */
const MAX_FIRST_LOAD_BYTES = 200_000;

const api = await openApi();
const bundle = readConsoleBundle();
const folder = await mkdtemp(join(tmpdir(), "bellhop-console-"));
after(() => rm(folder, { recursive: true, force: true }));

const get = (path: string, headers: Record<string, string> = {}) =>
  api.anonymous.request("GET", path, { headers });

test("the root leads to it", async () => {
  const answer = await get("/");
  assert.deepEqual([answer.status, answer.headers.get("location")], [302, "/console"]);
});

test("each view is the same page, which finds its files wherever it stands", async () => {
  for (const [path, root] of [
    ["/console", ""],
    ["/console/", "../"],
    ["/console/tasks", "../"],
    ["/console/a%0Ab", "../"],
    ["/console/@billing/tasks/01a2?tab=edit", "../../../"],
  ] as const) {
    const page = await (await get(path)).text();
    const found = [...page.matchAll(/ (?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    const files = found.filter((url) => !url.startsWith("data:"));
    assert.deepEqual(files, [
      `${root}console/assets/${bundle.style}`,
      `${root}console/assets/${bundle.script}`,
    ]);
    for (const file of files) {
      const { pathname } = new URL(file, `http://localhost${path}`);
      assert.equal((await get(pathname)).status, 200, pathname);
    }
  }
});

test("nothing of it is inline, and its policy names nobody else", async () => {
  for (const path of ["/console", `/console/assets/${bundle.script}`]) {
    const { headers } = await get(path);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types email$/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("cross-origin-opener-policy"), "noopener-allow-popups");
  }
  const page = await (await get("/console")).text();
  assert.doesNotMatch(page, /<style|<script(?! type="module" src)| style=| on\w+=/);
});

test("files are kept for good, compressed as the caller takes them; another name is not found", async () => {
  const path = `/console/assets/${bundle.script}`;
  const plain = Buffer.from(await (await get(path)).arrayBuffer());
  const coded = async (coding: string) => {
    const answer = await get(path, { "accept-encoding": coding });
    assert.match(answer.headers.get("cache-control") ?? "", /immutable/);
    assert.equal(answer.headers.get("content-type"), "text/javascript; charset=utf-8");
    return [answer.headers.get("content-encoding"), Buffer.from(await answer.arrayBuffer())] as const;
  };
  const [[br, brotli], [gz, gzipped]] = [await coded("gzip, deflate, br"), await coded("gzip")];
  assert.deepEqual([br, gz], ["br", "gzip"]);
  assert.ok(brotliDecompressSync(brotli).equals(plain) && gunzipSync(gzipped).equals(plain));
  for (const name of ["other.js", "..%2f..%2fpackage.json"])
    assert.equal((await get(`/console/assets/${name}`)).status, 404);
});

test("a first load is small; the editor is not part of it", () => {
  const loaded = new Set([bundle.script, bundle.style]);
  for (const name of loaded) for (const imported of bundle.imports[name] ?? []) loaded.add(imported);
  const bytes = [...loaded].reduce((sum, name) => sum + bundle.files.get(name)!.gzip.byteLength, 0);
  assert.ok(bytes < MAX_FIRST_LOAD_BYTES, `${bytes} bytes`);
  const isEditor = ({ identity }: { identity: Buffer }) => identity.includes("cm-editor");
  const editors = [...bundle.files].filter(([, file]) => isEditor(file)).map(([name]) => name);
  assert.ok(editors.length > 0);
  for (const name of editors) assert.ok(!loaded.has(name), name);
});

test("a bundle is kept, and made anew where it is torn", async () => {
  const path = join(folder, "bundle.json");
  const made = readConsoleBundle(path);
  assert.deepEqual(readConsoleBundle(path), made);
  const text = await readFile(path, "utf8");
  await writeFile(path, text.slice(0, text.length / 2));
  assert.deepEqual(readConsoleBundle(path), made);
  await writeFile(path, text.replace(/"files":\{"([^"]+)":"..../, '"files":{"$1":"AAAA'));
  assert.deepEqual(readConsoleBundle(path), made);
});
