/** The web platform's API inside the isolate: what authors lean on most. The standards' own tests are in docs/conformance.md. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import { resultOf, startSandbox } from "./sandbox-fixture.ts";

const sandbox = startSandbox();
after(() => sandbox.pool.close());

/** Runs the statements as a function's body; what it returns is compared. */
function gives(name: string, body: string, expected: Json): void {
  test(name, async () => {
    const source = `export default async function (): Promise<any> { const globals = globalThis as any; ${body} }`;
    assert.deepEqual(resultOf(await sandbox.call(source)), expected);
  });
}

const failing =
  "const failure = (act: () => unknown) => { try { act(); return 'none'; } catch (e: any) { return e.name; } };";

describe("globals", () => {
  gives(
    "classes are not enumerable, functions of the global object are",
    `const enumerable = Object.keys(globals);
     return [enumerable.includes("URL"), enumerable.includes("fetch"), enumerable.includes("structuredClone")];`,
    [false, true, true],
  );
  gives(
    "nothing of the bundled packages is there",
    `return ["require", "module", "WebAssembly", "bellhopBoot", "pako"]
       .filter((name) => name in globals);`,
    [],
  );
  gives("self is the global object", "return self === globalThis;", true);
  gives("navigator says who it is", "return navigator.userAgent;", "Bellhop");
  gives(
    "interfaces without a constructor cannot be constructed",
    `${failing} return [globals.Crypto, globals.CryptoKey, globals.AbortSignal, globals.Performance, globals.Navigator]
       .map((one) => failure(() => new one()));`,
    ["TypeError", "TypeError", "TypeError", "TypeError", "TypeError"],
  );
});

describe("URL", () => {
  gives(
    "resolves and serializes",
    `return new URL("../b?x=1#f", "https://a.example:443/c/d").href;`,
    "https://a.example/b?x=1#f",
  );
  gives(
    "takes international names through the host",
    `return new URL("https://bücher.example/").hostname;`,
    "xn--bcher-kva.example",
  );
  gives(
    "refuses a name that hides a delimiter",
    `${failing} return ["https://a%2Fü.example/", "https://a\\uFF0Fü.example/", "https://ü%40b/"].map((url) => failure(() => new URL(url)));`,
    ["TypeError", "TypeError", "TypeError"],
  );
  gives(
    "parameters follow the URL and lead it",
    `const url = new URL("https://a.example/?a=1&b=2"); url.searchParams.delete("a"); url.searchParams.append("c", "x y");
     return [url.search, [...url.searchParams.keys()], URL.canParse("nope"), URL.parse("nope")];`,
    ["?b=2&c=x+y", ["b", "c"], false, null],
  );
  gives(
    "patterns match with named groups",
    `const pattern = new URLPattern({ pathname: "/books/:id(\\\\d+)" });
     return [pattern.test("https://a.example/books/12"), pattern.test("https://a.example/books/x"),
       pattern.exec("https://a.example/books/7")?.pathname.groups];`,
    [true, false, { id: "7" }],
  );
  gives(
    "patterns refuse what is no pattern",
    `${failing} return [failure(() => new URLPattern({ pathname: "/(" })), failure(() => new URLPattern("/relative"))];`,
    ["TypeError", "TypeError"],
  );
  gives(
    "object URLs can be fetched until they are revoked",
    `const url = URL.createObjectURL(new Blob(["hi"], { type: "text/x" }));
     const response = await fetch(url); const first = [await response.text(), response.headers.get("content-type")];
     URL.revokeObjectURL(url);
     return [...first, await fetch(url).catch((error) => error.cause.code)];`,
    ["hi", "text/x", "blob_not_found"],
  );
});

describe("encoding", () => {
  gives(
    "UTF-8 goes there and back, lone surrogates become U+FFFD",
    `return new TextDecoder().decode(new TextEncoder().encode("é€😀\\ud800"));`,
    "é€😀\ufffd",
  );
  gives(
    "encodeInto stops at a whole character",
    `const target = new Uint8Array(4); return [new TextEncoder().encodeInto("a€b", target), new TextEncoder().encodeInto("€€", target)];`,
    [
      { read: 2, written: 4 },
      { read: 1, written: 3 },
    ],
  );
  gives(
    "a fatal decoder throws, another one replaces",
    `${failing} const bad = new Uint8Array([0xff]);
     return [failure(() => new TextDecoder("utf-8", { fatal: true }).decode(bad)), new TextDecoder().decode(bad)];`,
    ["TypeError", "\ufffd"],
  );
  gives(
    "characters split between chunks are put together",
    `const decoder = new TextDecoder(); return decoder.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + decoder.decode(new Uint8Array([0xac]));`,
    "€",
  );
  gives(
    "legacy encodings are decoded",
    `return [new TextDecoder("shift_jis").decode(new Uint8Array([0x82, 0xa0])), new TextDecoder("latin1").encoding,
       new TextDecoder("utf-16le").decode(new Uint8Array([0x41, 0]))];`,
    ["あ", "windows-1252", "A"],
  );
  gives(
    "base64 is strict where the standard is",
    `${failing} return [btoa("\\xff\\0"), atob(" /wA= "), failure(() => btoa("€")), failure(() => atob("a"))].map((one) => one === "\\xff\\0" ? "same" : one);`,
    ["/wA=", "same", "InvalidCharacterError", "InvalidCharacterError"],
  );
});

describe("headers, requests and responses", () => {
  gives(
    "headers are combined, sorted and lower-cased; cookies stay apart",
    `const headers = new Headers([["B", "2"], ["a", "1"], ["b", "3"], ["Set-Cookie", "x=1"], ["set-cookie", "y=2"]]);
     return [[...headers], headers.get("b"), headers.getSetCookie()];`,
    [
      [
        ["a", "1"],
        ["b", "2, 3"],
        ["set-cookie", "x=1"],
        ["set-cookie", "y=2"],
      ],
      "2, 3",
      ["x=1", "y=2"],
    ],
  );
  gives(
    "header names and values are checked",
    `${failing} return [failure(() => new Headers({ "a b": "1" })), failure(() => new Headers({ a: "1\\r\\nb: 2" })), failure(() => new Headers({ a: "€" }))];`,
    ["TypeError", "TypeError", "TypeError"],
  );
  gives(
    "a request reads its init and keeps its body for one reader",
    `const request = new Request("https://a.example/", { method: "post", body: new URLSearchParams({ a: "1" }) });
     const copy = request.clone();
     return [request.method, request.headers.get("content-type"), await request.text(), request.bodyUsed,
       await request.text().catch((error) => error.name), await copy.text()];`,
    ["POST", "application/x-www-form-urlencoded;charset=UTF-8", "a=1", true, "TypeError", "a=1"],
  );
  gives(
    "a request cannot be what the standard forbids",
    `${failing} return [() => new Request("/relative"), () => new Request("https://u:p@a.example/"), () => new Request("https://a.example/", { body: "x" }),
       () => new Request("https://a.example/", { method: "TRACE" }), () => new Request("https://a.example/", { method: "POST", body: new ReadableStream() })].map(failure);`,
    ["TypeError", "TypeError", "TypeError", "TypeError", "TypeError"],
  );
  gives(
    "responses are made from values",
    `const json = Response.json({ a: 1 }, { status: 201 }); const gone = Response.redirect("https://a.example/x", 307);
     return [json.status, json.headers.get("content-type"), await json.json(), gone.status, gone.headers.get("location"), Response.error().type];`,
    [201, "application/json", { a: 1 }, 307, "https://a.example/x", "error"],
  );
  gives(
    "a response's clone has bytes of its own",
    `const chunk = new Uint8Array([1, 2]);
     const response = new Response(new ReadableStream({ start(one) { one.enqueue(chunk); one.close(); } }));
     const copy = response.clone(); const mine = await response.bytes(); mine[0] = 9;
     return [[...mine], [...(await copy.bytes())]];`,
    [
      [9, 2],
      [1, 2],
    ],
  );
  gives(
    "a form goes through a body and comes back whole",
    `const form = new FormData(); form.append("text", "a\\nb"); form.append("file", new File(["x", new Uint8Array([0, 255])], 'q"1.bin', { type: "a/b" }));
     const back = await new Response(form).formData(); const file = back.get("file") as File;
     return [back.get("text"), file.name, file.type, [...new Uint8Array(await file.arrayBuffer())]];`,
    ["a\r\nb", 'q"1.bin', "a/b", [120, 0, 255]],
  );
  gives(
    "a body that is no form is refused",
    `return Promise.all([new Response("x"), new Response("x", { headers: { "content-type": "multipart/form-data; boundary=b" } })]
       .map((one) => one.formData().then(() => "none", (error) => error.name)));`,
    ["TypeError", "TypeError"],
  );
  gives(
    "data: URLs are fetched here",
    `const response = await fetch("data:text/plain;charset=utf-8;base64,aMOp#x"); return [await response.text(), response.headers.get("content-type"), response.url];`,
    ["hé", "text/plain;charset=utf-8", "data:text/plain;charset=utf-8;base64,aMOp"],
  );
  gives(
    "fetch rejects what it cannot do",
    `const name = (given: any, init?: any) => fetch(given, init).then(() => "none", (error) => error.name);
     return [await name("nope"), await name("ftp://a.example/"), await name("https://a.example/", { signal: AbortSignal.abort() })];`,
    ["TypeError", "TypeError", "AbortError"],
  );
});
