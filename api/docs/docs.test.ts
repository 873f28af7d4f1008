/** `/docs`: the whole document as a page that asks nobody else for anything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { REMEDIES } from "../../core/contracts/remedies.ts";
import { openApi } from "../testing/open-api.ts";
import { renderPage } from "./page.ts";
import { renderInline, renderProse } from "./prose.ts";
import type { PublishedDocument, Schema } from "./published.ts";
import { renderSchema, renderType } from "./schema.ts";

const api = await openApi();
const { body: errorsPage, headers: errorsHeaders } = await api.anonymous.call("GET", "/docs/errors");
const { body: page, headers } = await api.anonymous.call("GET", "/docs");
const document = (await api.anonymous.call("GET", "/openapi.json")).body as PublishedDocument;

const all = (pattern: RegExp, text = page): string[] =>
  [...text.matchAll(pattern)].map(([, found]) => found!);

test("the page needs no key, and has every operation, every schema and every code", () => {
  const ids = new Set(all(/ id="([^"]+)"/g));
  for (const operations of Object.values(document.paths))
    for (const { operationId, summary } of Object.values(operations)) {
      assert.ok(ids.has(operationId), operationId);
      assert.ok(page.includes(summary.replaceAll("'", "&#39;")), summary);
    }
  for (const name of Object.keys(document.components.schemas)) assert.ok(ids.has(`schema-${name}`), name);
  for (const code of JSON.stringify(document.components.responses).matchAll(/- `(\w+)`/g))
    assert.ok(page.includes(code[1]!), code[1]);
});

test("every link leads to something on its page, no id is there twice", () => {
  for (const text of [page, errorsPage]) {
    const ids = all(/ id="([^"]+)"/g, text);
    assert.equal(new Set(ids).size, ids.length);
    for (const target of all(/ href="#([^"]+)"/g, text)) assert.ok(ids.includes(target), target);
  }
});

test("each error has its place on the page of errors, with where it comes from and what to do", () => {
  const entries = [...errorsPage.matchAll(/<article id="(\w+)">(.*?)<\/article>/gs)];
  assert.deepEqual(
    entries.map(([, code]) => code),
    Object.keys(REMEDIES).sort(),
  );
  for (const [, , text] of entries)
    assert.match(text!, /"facts">(status \d{3}|error of a run).*<p>.+<\/p>\n<p><strong>What to do:/s);
  assert.match(
    errorsPage,
    /<article id="unknown_queue">.*?status 422.*?does not have.*?<code>PUT \/v1\/queues/s,
  );
});

test("an error of the API leads to its place there; one of a function's URL does not", async () => {
  const { newTenant, anonymous } = api;
  const refused = await (await newTenant()).call("GET", "/v1/tasks?limit=0");
  assert.deepEqual(
    [refused.body.type, refused.headers.get("link")],
    ["about:blank", '</docs/errors#invalid_input>; rel="help"'],
  );
  const stranger = await anonymous.call("GET", "/v1/tasks");
  assert.equal(stranger.headers.get("link"), '</docs/errors#unauthenticated>; rel="help"');
  assert.equal((await anonymous.call("GET", "/fn/default/none")).headers.get("link"), null);
});

test("all that it loads is its API's own, and nothing is inline", async () => {
  const loaded = all(/ (?:href|src)="(?!#)([^"]+)"/g);
  assert.deepEqual(loaded.sort(), ["data:,", "docs/errors", "docs/page.css", "docs/page.js", "openapi.json"]);
  assert.doesNotMatch(page, /<style|<script(?! type="module" src)| style=| on\w+=/);
  const policy = headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.equal(errorsHeaders.get("content-security-policy"), policy);
  assert.deepEqual(all(/ (?:href|src)="(?!#)([^"]+)"/g, errorsPage).sort(), [
    "../docs",
    "../docs/page.css",
    "../docs/page.js",
    "data:,",
  ]);
  assert.doesNotMatch(errorsPage, /<style|<script(?! type="module" src)| style=| on\w+=/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  for (const [path, type] of [
    ["/docs/page.css", "text/css; charset=utf-8"],
    ["/docs/page.js", "text/javascript; charset=utf-8"],
  ] as const) {
    const answer = await api.anonymous.call("GET", path);
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, type]);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.doesNotMatch(answer.body, /@import|url\(|https?:/);
  }
});

test("with a slash at its end an address leads to the same, from one step further down", async () => {
  const { body } = await api.anonymous.call("GET", "/docs/");
  assert.ok(body.includes(' src="../docs/page.js"'));
  assert.ok(body.replaceAll(/ (href|src)="\.\.\//g, ' $1="') === page);
  const errors = await api.anonymous.call("GET", "/docs/errors/");
  assert.ok(errors.body.replaceAll('"../../', '"../') === errorsPage);
});

test("who has the page already is told so", async () => {
  const etag = headers.get("etag")!;
  const again = await api.anonymous.call("GET", "/docs", { headers: { "if-none-match": etag } });
  assert.deepEqual([again.status, again.body], [304, undefined]);
});

test("what a description holds is text", () => {
  const hostile = '<script>alert("x")</script>';
  const operation = {
    ...{ operationId: "get", summary: hostile, description: `\`${hostile}\``, tags: [hostile], security: [] },
    parameters: [{ in: "query" as const, name: hostile, schema: { type: hostile, description: hostile } }],
    responses: { 200: { description: hostile, content: { [hostile]: { example: hostile } } } },
  };
  const rendered = renderPage(
    {
      info: { title: hostile, version: hostile, description: hostile },
      tags: [{ name: hostile, description: hostile }],
      paths: { [hostile]: { get: operation } },
      components: { schemas: { [hostile]: { enum: [hostile], default: hostile } }, responses: {} },
    },
    "",
  );
  assert.equal(rendered.match(/<script/g)?.length, 1);
});

test("prose: paragraphs, lists and code", () => {
  assert.equal(
    String(renderProse("One `a < b`.\n\n- `x`: two\n- three")),
    "<p>One <code>a &lt; b</code>.</p><ul><li><code>x</code>: two</li><li>three</li></ul>",
  );
  assert.equal(String(renderInline("a ` alone")), "a ` alone");
});

test("schemas: what a value is, in words", () => {
  const shown = (schema: Schema) => String(renderType(schema));
  assert.equal(shown({ anyOf: [{ type: "string" }, { type: "null" }] }), "string or null");
  assert.equal(
    shown({ type: "array", items: { $ref: "#/components/schemas/Run" } }),
    'list of <a href="#schema-Run">Run</a>',
  );
  assert.equal(shown({ const: "http" }), "<code>&quot;http&quot;</code>");
  assert.equal(shown({ type: "object", additionalProperties: { type: "string" } }), "map");
  assert.equal(shown({}), "any JSON");
  assert.match(
    String(renderSchema({ type: "integer", minimum: 1, maximum: 200, default: 50 })),
    /<span class="facts">1 to 200; default <code>50<\/code><\/span>/,
  );
});
