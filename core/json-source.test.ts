import assert from "node:assert/strict";
import { test } from "node:test";
import { findMemberText, JsonSource, listElementTexts, mapJsonStrings, writeJson } from "./json-source.ts";

test("a member's text is what was written, to the letter", () => {
  for (const text of [
    '{"order":1234567890123456789,"a":1}',
    '{ "b" : [ 1.0 , 1E+2, -0 ],\n\t"a" : "\\u0041\\/" }',
    "[]",
    '"}\\"],{"',
    '"\\\\"',
    "1.10",
    "-0",
    "null",
    '{"body":{"body":1}}',
    '{"\\u0000":"\\ud800"}',
  ]) {
    assert.equal(findMemberText(`{"body":${text}}`, "body"), text);
    assert.equal(findMemberText(` {"a":{"body":0},\n"body" :\t${text}\r\n, "c":["body"] } `, "body"), text);
    assert.equal(findMemberText(`{"body":1,"body":${text}}`, "body"), text, "the last of two");
    assert.equal(findMemberText(`{"bod\\u0079": ${text}}`, "body"), text, "a name that is escaped");
    assert.equal(findMemberText(`{"bodz":0,"body":${text},"bod\\"":0}`, "body"), text, "names as long");
  }
  for (const text of ["{}", '{"a":"body"}', '{"a":{"body":1}}', '{"Body":1}', "[]", '"body"', "1"])
    assert.equal(findMemberText(text, "body"), undefined, text);
});

test("it stands in a text as it is, among what is written as always", () => {
  const source = new JsonSource('{ "z":1.0, "a":1e+2 }');
  assert.equal(
    writeJson({ a: [source, null], b: source, c: undefined, d: "\ud800é" }),
    `{"a":[${source.text},null],"b":${source.text},"d":"\\ud800é"}`,
  );
  const plain = { a: [1, "x", { b: null, "c\n": [] }], d: {}, e: -0, f: true, g: new Date(0) };
  assert.equal(writeJson(plain), JSON.stringify(plain));
  assert.deepEqual(JSON.parse(JSON.stringify({ source })), { source: { z: 1, a: 100 } });
});

test("the elements of an array are what was written, to the letter", () => {
  const texts = ['{"a":[1.0, 2],"b":"],["}', "[[1,2],[3]]", '"\\"],"', "-0", "null", "[]", "{}", '""'];
  assert.deepEqual(listElementTexts(`[${texts.join(",")}]`), texts);
  assert.deepEqual(listElementTexts(`\n[ ${texts.join(" ,\t")}\r\n]`), texts);
  for (const empty of ["[]", "[ \n ]"]) assert.deepEqual(listElementTexts(empty), []);
});

test("the strings of a text are mapped, names too, and all else keeps its spelling", () => {
  const text = String.raw` { "a" : "\u0061\"", "b\\":[1.0, "\\" ,"x"], "":null } `;
  assert.equal(
    mapJsonStrings(text, (value) => value),
    text,
  );
  const seen: string[] = [];
  const mapped = mapJsonStrings(text, (value) => {
    seen.push(value);
    return value === "x" || value === 'a"' ? `${value}"\n` : value;
  });
  assert.deepEqual(seen, ["a", 'a"', "b\\", "\\", "x", ""]);
  assert.equal(mapped, String.raw` { "a" : "a\"\"\n", "b\\":[1.0, "\\" ,"x\"\n"], "":null } `);
});
