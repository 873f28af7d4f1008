import assert from "node:assert/strict";
import { test } from "node:test";
import { fillTemplate, parseTemplate, TemplateFault } from "./secret-templates.ts";

const fill = (text: string) =>
  fillTemplate(
    text,
    (name) => `<${name}>`,
    (value) => value,
  );

test("a template stands for its secret; other braces stand for themselves", () => {
  for (const [text, filled] of [
    ["", ""],
    ["Bearer {{secrets.TOKEN}}", "Bearer <TOKEN>"],
    ["{{secrets.A}}{{ secrets._b2 }}.", "<A><_b2>."],
    ["{{{secrets.A}}}", "{<A>}"],
    ["{{name}} {{ secret.A }} {{#each secrets}} }}{{", "{{name}} {{ secret.A }} {{#each secrets}} }}{{"],
    ["{{Secrets.A}}", "{{Secrets.A}}"],
  ])
    assert.equal(fill(text!), filled, text);
});

test("a backslash before it means the text itself, and two of them one", () => {
  for (const [text, filled] of [
    [String.raw`\{{secrets.A}}`, "{{secrets.A}}"],
    [String.raw`\\{{secrets.A}}`, String.raw`\<A>`],
    [String.raw`\\\{{secrets.A}}`, String.raw`\{{secrets.A}}`],
    [String.raw`\{{secrets.A}}{{secrets.B}}`, "{{secrets.A}}<B>"],
    [String.raw`{{secrets.A}}\{{secrets.B}}`, "<A>{{secrets.B}}"],
    [String.raw`\{{secrets.a-b`, "{{secrets.a-b"],
    [String.raw`C:\{{name}} \ {{`, String.raw`C:\{{name}} \ {{`],
  ])
    assert.equal(fill(text!), filled, text);
});

test("what begins a template and names no secret is a fault that shows where", () => {
  for (const text of ["{{secrets.}}", "{{secrets.a-b}}", "{{secrets.1}}", "{{ secrets.A", "x{{secrets.A}"])
    assert.throws(() => parseTemplate(text), TemplateFault, text);
  assert.throws(() => parseTemplate(`a {{secrets.${"x".repeat(200)}}}`), {
    message:
      '"{{secrets.xxxxxxxxxxxxxxxxxxxx…" names no secret: write {{secrets.NAME}}, or \\{{secrets. for the text itself',
  });
});

test("a value is not looked at for templates", () => {
  const name = () => "{{secrets.OTHER}} $& $1";
  assert.equal(
    fillTemplate("{{secrets.A}}", name, (value) => value),
    "{{secrets.OTHER}} $& $1",
  );
});

test("a long text of what templates are made of is read in one pass", () => {
  for (const piece of ["\\", "{{", "{{ ", " {{secrets", "\\{{secrets.A}}"]) {
    const text = piece.repeat(200_000);
    assert.ok(fill(text).length > 0);
  }
});
