/** What `console` and `ctx.log` show of values. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { resultOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, begin } = startSandbox();
after(() => pool.close());

/** The lines of a function with this body. */
async function linesOf(body: string) {
  const { outcome, lines } = await begin(`export default (_: unknown, ctx: any) => { ${body} };`);
  assert.equal(resultOf(await outcome), null);
  return lines;
}

const SHOWN: [what: string, expression: string, text: string][] = [
  ["a plain object", `{ a: [1, "b", null], c: { d: true } }`, '{"a":[1,"b",null],"c":{"d":true}}'],
  ["a Map", `new Map<any, any>([["a", 1], ["b", { c: [2] }]])`, 'Map(2) {"a" => 1,"b" => {"c":[2]}}'],
  ["a Set", `new Set(["x", 1])`, 'Set(2) {"x",1}'],
  ["a Map in an object", `{ m: new Map([[1, new Set([2])]]) }`, '{"m":Map(1) {1 => Set(1) {2}}}'],
  ["a Map's subclass", `new (class Cache extends Map {})([["a", 1]])`, 'Map(1) {"a" => 1}'],
  [
    "Headers",
    `new Headers({ "Content-Type": "text/plain", a: "b" })`,
    'Headers {"a":"b","content-type":"text/plain"}',
  ],
  [
    "a Request",
    `new Request("https://a.b/c?d=1", { method: "POST", body: "x", headers: { "content-type": "a/b" } })`,
    'Request {"method":"POST","url":"https://a.b/c?d=1","headers":Headers {"content-type":"a/b"}}',
  ],
  [
    "a Response",
    `new Response(null, { status: 404, statusText: "Not Found", headers: { a: "b" } })`,
    'Response {"status":404,"statusText":"Not Found","url":"","headers":Headers {"a":"b"}}',
  ],
  [
    "a FormData",
    `(() => { const form = new FormData(); form.append("a", "1"); form.append("a", "2");
      form.append("f", new Blob(["abc"], { type: "text/plain" }), "n.txt"); return form; })()`,
    'FormData {"a" => "1","a" => "2","f" => File {"name":"n.txt","size":3,"type":"text/plain"}}',
  ],
  ["a URL", `new URL("https://a.b/?x=1")`, "https://a.b/?x=1"],
  ["a URL in an object", `{ u: new URL("https://a.b/") }`, '{"u":"https://a.b/"}'],
  ["URLSearchParams", `new URLSearchParams("a=1&a=2")`, 'URLSearchParams {"a" => "1","a" => "2"}'],
  ["a Date", "new Date(0)", "1970-01-01T00:00:00.000Z"],
  ["an invalid Date", `[new Date("x")]`, "[Invalid Date]"],
  ["a RegExp", "[/a+/gi]", "[/a+/gi]"],
  ["bytes", "new Uint8Array([1, 2, 255])", "Uint8Array(3) [1,2,255]"],
  ["a buffer", "new Uint8Array([7]).buffer", "ArrayBuffer(1) [7]"],
  ["what only inherits from a Set", "Object.create(Set.prototype)", "Set {}"],
  ["a class's instance", `new (class Point { x = 1; #y = 2; })()`, 'Point {"x":1}'],
  ["an aborted signal", `AbortSignal.abort("why")`, 'AbortSignal {"aborted":true,"reason":"why"}'],
  [
    "what JSON leaves out",
    `{ u: undefined, f() {}, s: Symbol("s"), b: 1n, n: NaN }`,
    '{"u":undefined,"f":[Function: f],"s":Symbol(s),"b":1n,"n":NaN}',
  ],
  [
    "what leads back to itself",
    `(() => { const loop: any = { list: [] }; loop.self = loop; loop.list.push(loop); return loop; })()`,
    '{"list":[[Circular]],"self":[Circular]}',
  ],
  ["a getter that throws", `{ get a() { throw new Error("no"); }, b: 1 }`, '{"a":[unreadable],"b":1}'],
  ["a proxy that throws", `new Proxy({}, { ownKeys() { throw new Error("no"); } })`, "[unreadable]"],
  ["a toJSON that throws", `{ a: { toJSON() { throw new Error("no"); } } }`, '{"a":[unreadable]}'],
  [
    "a toJSON that goes on",
    `(() => { const a: any = { toJSON: () => ({ ...a }) }; return [a]; })()`,
    "[[Object]]",
  ],
];

for (const [what, expression, text] of SHOWN) {
  test(`console shows ${what}`, async () => {
    const [line] = await linesOf(`console.log(${expression});`);
    assert.equal(line?.message, text);
  });
}

test("console shows of an error its stack, code, causes and errors", async () => {
  const [line] = await linesOf(`
    class NotFound extends Error { code = "E_GONE"; status = 404; }
    const cause = new NotFound("no such row", { cause: "the disk" });
    console.error("saving:", new AggregateError([new TypeError("one"), "two"], "many", { cause }));`);
  assert.equal(
    line?.message.replaceAll(/\n {4}at [^\n{]+?\(?(?:function\.js|bellhop:guest):\d+:\d+\)?/g, ""),
    [
      "saving: AggregateError: many",
      'Caused by: Error: no such row {"code":"E_GONE","status":404}',
      'Caused by: "the disk"',
      "Error 1 of 2: TypeError: one",
      'Error 2 of 2: "two"',
    ].join("\n"),
  );
  assert.match(line!.message, /\n {4}at default \(function\.js:\d+:\d+\)/);
});

test("console.dir goes as deep as it is asked to", async () => {
  const lines = await linesOf(`const deep = { a: { b: [{ c: {} }] } };
    console.dir(deep); console.dir(deep, { depth: 0 }); console.dir(deep, { depth: 2 }); console.dir(deep, { depth: -1 });
    let deeper: any = 1; for (let i = 0; i < 60; i++) deeper = [deeper];
    console.dir(deeper, { depth: null }); console.dir("text", null);
    for (let i = 0; i < 100_000; i++) deeper = [deeper]; console.dir(deeper, { depth: Infinity });`);
  const [usual, flat, two, odd, whole, text, endless] = lines.map(({ message }) => message);
  assert.deepEqual([usual, odd], Array(2).fill('{"a":{"b":[{"c":{}}]}}'));
  assert.deepEqual([flat, two], ['{"a":[Object]}', '{"a":{"b":[[Object]]}}']);
  assert.deepEqual([whole, text], [`${"[".repeat(60)}1${"]".repeat(60)}`, "text"]);
  assert.match(endless!, /^\[{100}\[Array\]\]{100}$/);
});

test("console shows of large and deep values a part", async () => {
  const lines = await linesOf(`
    console.log(Array.from({ length: 1_000 }, (_, i) => i));
    console.log(new Map(Array.from({ length: 1_000 }, (_, i) => [i, 0])));
    let deep: any = 1; for (let i = 0; i < 100_000; i++) deep = [deep];
    console.log(deep);
    console.log({ text: "x".repeat(1_000_000) });
    console.log({ text: "x".repeat(1_000_000) }, "after");
    console.log(Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => ({}))));`);
  const [list, map, deep, text, among, wide] = lines.map(({ message }) => message);
  assert.match(list!, /^\[0,1,.*,99,… 900 more\]$/);
  assert.match(map!, /^Map\(1000\) \{0 => 0,.*,99 => 0,… 900 more\}$/);
  assert.equal(deep, "[[[[[[[[[Array]]]]]]]]]");
  // The mark is where half a secret is looked for.
  assert.match(among!, /xx… after$/);
  for (const cut of [text, wide]) {
    assert.ok(cut!.endsWith("…"), cut!.slice(-50));
    assert.ok(Buffer.byteLength(cut!) <= 8_192);
  }
});

test("console shows values also where the function has replaced built-ins", async () => {
  const lines = await linesOf(`
    const spoilt = () => { throw new Error("spoilt"); };
    for (const [type, key] of [[Map, "entries"], [Map, "get"], [Set, "values"], [Array, "map"]] as any) {
      type.prototype[key] = spoilt;
    }
    JSON.stringify = spoilt;
    Object.keys = spoilt;
    console.log(new Map([["a", new Set([1])]]), { a: 1 });`);
  assert.equal(lines[0]?.message, 'Map(1) {"a" => Set(1) {1}} {"a":1}');
});

test("fields of many lists are told without a look at what else each might be", async () => {
  const [line] = await linesOf(`
    ctx.log.info("rows", { rows: Array.from({ length: 200_000 }, (_, i) => [i]) });`);
  assert.deepEqual(Object.keys(line!.fields!), ["cut"]);
});

test("fields hold what JSON has no form for as console shows it, and errors with their causes", async () => {
  const [first, second, third] = await linesOf(`
    const cause = Object.assign(new Error("why"), { code: "E_WHY" });
    ctx.log.info("first", { m: new Map([["a", 1]]), h: new Headers({ a: "b" }), e: new Error("x", { cause }) });
    ctx.log.info("second", new Map([["a", 1]]));
    ctx.log.info("third", new Error("bare"));`);
  const { m, h, e } = first!.fields as Record<
    string,
    { message: string; causes: { message: string; code: string }[] }
  >;
  assert.deepEqual([m, h], ['Map(1) {"a" => 1}', 'Headers {"a":"b"}']);
  assert.equal(e!.message, "x");
  assert.deepEqual(
    e!.causes.map(({ message, code }) => [message, code]),
    [["why", "E_WHY"]],
  );
  assert.deepEqual(second!.fields, { fields: 'Map(1) {"a" => 1}' });
  assert.equal(third!.fields?.["message"], "bare");
});
