import assert from "node:assert/strict";
import { test } from "node:test";
import { JsonSource } from "../json-source.ts";
import { MAX_TEMPLATES } from "./secret-templates.ts";
import { fillSecrets, findBodySecrets, findSecrets } from "./secrets-in-spec.ts";
import type { EmailSpec, HttpSpec } from "./task-spec.ts";

const SECRETS: Record<string, string> = { KEY: `a b&"c"/<\n>`, OTHER: "other" };
const http = (spec: Partial<HttpSpec>): HttpSpec => ({
  ...{ type: "http", method: "POST", url: "https://example.com/", headers: {}, followRedirects: true },
  ...spec,
});
const email = (spec: Partial<EmailSpec>): EmailSpec => ({
  ...{ type: "email", to: ["ada@example.com"], cc: [], bcc: [], subject: "Hello", attachments: [] },
  ...spec,
});
const fill = <Spec extends HttpSpec | EmailSpec>(spec: Spec): Spec =>
  fillSecrets(spec, findSecrets(spec).fields ?? [], (name) => SECRETS[name]!);

test("a URL takes secrets in its query, percent-encoded", () => {
  const url = "https://example.com/a?key={{secrets.KEY}}&b={{secrets.OTHER}}#top";
  assert.deepEqual(findSecrets(http({ url })), {
    mentions: [
      { path: ["url"], name: "KEY" },
      { path: ["url"], name: "OTHER" },
    ],
    fields: ["url"],
    faults: [],
  });
  const filled = new URL(fill(http({ url })).url);
  assert.equal(filled.searchParams.get("key"), SECRETS["KEY"]);
  assert.equal(filled.searchParams.get("b"), "other");
  assert.equal(filled.hash, "#top");
});

test("no other part of a URL does, and no address of an e-mail", () => {
  for (const url of [
    "https://{{secrets.KEY}}.example.com/",
    "https://user:{{secrets.KEY}}@example.com/?a=b",
    "https://example.com/{{secrets.KEY}}?a=b",
    "https://example.com/?a=b#{{secrets.KEY}}",
    "https://example.com/#?a={{secrets.KEY}}",
    "https://example.com/{{secrets.no-name}}",
  ])
    assert.deepEqual(
      findSecrets(http({ url })).faults.map(({ path }) => path),
      [["url"]],
      url,
    );
  const named = "{{secrets.KEY}} <ada@example.com>";
  for (const [field, spec] of Object.entries({
    from: { from: named },
    to: { to: [named] },
    cc: { cc: [named] },
    bcc: { bcc: [named] },
    replyTo: { replyTo: named },
    attachments: { attachments: [{ filename: "{{secrets.KEY}}", content: "" }] },
  }))
    assert.deepEqual(findSecrets(email(spec)).faults, [{ path: [field], message: "takes no secrets" }]);
});

test("a header takes a value as it is", () => {
  const headers = { Authorization: "Bearer {{secrets.OTHER}}", "X-Plain": "{{ not a secret }}" };
  assert.deepEqual(findSecrets(http({ headers })).mentions, [
    { path: ["headers", "Authorization"], name: "OTHER" },
  ]);
  assert.deepEqual(fill(http({ headers })).headers, { ...headers, Authorization: "Bearer other" });
});

test("in JSON a value stays within its string, and the rest is as it was written", () => {
  const text = String.raw`{ "a": 1.0, "k{{secrets.OTHER}}": ["{{secrets.KEY}}", "\u007b{secrets.OTHER}}", "\\{{secrets.KEY}}"], "é\u00e9": "\/" }`;
  const { body } = fill(http({ body: new JsonSource(text) }));
  assert.ok(body instanceof JsonSource);
  assert.equal(
    body.text,
    String.raw`{ "a": 1.0, "kother": [${JSON.stringify(SECRETS["KEY"])}, "other", "{{secrets.KEY}}"], "é\u00e9": "\/" }`,
  );
  assert.equal(JSON.parse(body.text).kother[0], SECRETS["KEY"]);
});

test("in a body that is text a value is written as its type has it", () => {
  const filled = (body: string, type?: string) =>
    fill(http({ body, headers: type === undefined ? {} : { "Content-Type": type } })).body;
  assert.equal(filled("key={{secrets.KEY}}"), `key=${SECRETS["KEY"]}`);
  assert.equal(filled("{{secrets.KEY}}", "text/plain"), SECRETS["KEY"]);
  const form = filled("key={{secrets.KEY}}", "application/x-www-form-urlencoded; charset=utf-8");
  assert.equal(new URLSearchParams(form as string).get("key"), SECRETS["KEY"]);
  for (const type of ["application/json", "application/ld+json; charset=utf-8"])
    assert.equal(JSON.parse(filled('{"key":"{{secrets.KEY}}"}', type) as string).key, SECRETS["KEY"]);
});

test("an e-mail takes them in its subject and its texts, in HTML as HTML", () => {
  const all = "{{secrets.KEY}}";
  const { subject, body, html } = fill(email({ subject: all, body: all, html: `<b title="${all}">` }));
  assert.deepEqual(
    [subject, body, html],
    [SECRETS["KEY"], SECRETS["KEY"], '<b title="a b&amp;&quot;c&quot;/&lt;\n&gt;">'],
  );
});

test("only the fields that are said to hold secrets are filled", () => {
  const spec = http({ url: "https://example.com/?a={{secrets.OTHER}}", body: "{{secrets.OTHER}}" });
  const filled = fillSecrets(spec, ["body"], () => "other");
  assert.deepEqual([filled.url, filled.body], [spec.url, "other"]);
});

test("an escaped template names nothing, and its backslash is taken away all the same", () => {
  const found = findBodySecrets(String.raw`\{{secrets.KEY}}`);
  assert.deepEqual(found, { mentions: [], fields: ["body"], faults: [] });
  assert.equal(findSecrets(http({ body: "{{name}}" })).fields, undefined);
});

test("a task names secrets in so many places, and one more is a fault", () => {
  const body = "{{secrets.OTHER}}".repeat(MAX_TEMPLATES);
  assert.deepEqual(findBodySecrets(body).faults, []);
  assert.deepEqual(findBodySecrets(`${body}{{secrets.OTHER}}`).faults, [
    { path: ["body"], message: "a task names secrets in at most 100 places" },
  ]);
});
