/** node: modules as functions and their bundles use them, in the real sandbox. */
import assert from "node:assert/strict";
import { builtinModules } from "node:module";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import { errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, begin, call } = startSandbox();
after(() => pool.close());

/** The body of a function, with what it imports. */
function gives(name: string, imports: string, body: string, expected: Json): void {
  test(name, async () => {
    const source = `${imports}\nexport default async (input: any, ctx: any) => { ${body} };`;
    assert.deepEqual(resultOf(await call(source)), expected);
  });
}

describe("how they are found", () => {
  gives(
    "by import, with node: and without, whole, by name and at run time",
    `import path from "node:path"; import * as all from "path"; import { join } from "path";`,
    `const late = await import("node:path");
     return [path.join("a", "../b"), all.join === join, late.default === path, late.join === join];`,
    ["b", true, true, true],
  );
  gives(
    "by require, as bundlers write it",
    `const __require = ((x: any) => typeof require !== "undefined" ? require : undefined)(0) as any;`,
    `return [__require("events") === __require("node:events"), __require("process") === process,
       (await import("node:module")).createRequire("file:///x")("path").sep];`,
    [true, true, "/"],
  );
  gives(
    "by process.getBuiltinModule; what is none is said as Node says it",
    "",
    `let code; try { require(["left", "pad"].join("-")); } catch (error: any) { code = [error.code, error.message]; }
     return [typeof process.getBuiltinModule("node:util").inspect, process.getBuiltinModule("left-pad") === undefined, code];`,
    ["function", true, ["MODULE_NOT_FOUND", "Cannot find module 'left-pad'"]],
  );
  gives(
    "what modules share among themselves is not found by any name",
    `import { createRequire, isBuiltin } from "node:module";`,
    `const tries = [() => process.getBuiltinModule("internal:services"), () => createRequire("file:///x")("internal:services"), () => require("internal:stubs")];
     return [...tries.map((one) => { try { return typeof one(); } catch (error: any) { return error.code; } }), isBuiltin("internal:services"), isBuiltin("node:util")];`,
    ["undefined", "MODULE_NOT_FOUND", "MODULE_NOT_FOUND", false, true],
  );
  test("every name that Node exports can be imported; what is not there throws by its name", async () => {
    const names = builtinModules.filter((name) => name !== "process" && name !== "console");
    const exported = Object.fromEntries(
      names.map((name) => [
        name,
        Object.keys(process.getBuiltinModule(name) as object).filter(
          (key) =>
            typeof (process.getBuiltinModule(name) as unknown as Record<string, unknown>)[key] === "function",
        ),
      ]),
    );
    const source = `import { readFileSync } from "node:fs"; import { createServer } from "http"; import { Socket } from "node:net";
      export default (exported: Record<string, string[]>) => {
        const missing: string[] = [];
        for (const [name, keys] of Object.entries(exported)) {
          const module = require(name);
          for (const key of keys) if (typeof module[key] !== "function") missing.push(name + "." + key);
        }
        const calls = [() => readFileSync("/etc/passwd"), () => createServer(), () => new Socket(), () => new (class extends Socket {})()];
        const said = calls.map((one) => { try { one(); } catch (error: any) { return error.code + ": " + error.message; } });
        return [missing, said];
      };`;
    const code = "ERR_METHOD_NOT_IMPLEMENTED: ";
    assert.deepEqual(resultOf(await call(source, { input: exported })), [
      [],
      [
        `${code}node:fs.readFileSync is not available in a function`,
        `${code}node:http.createServer is not available in a function`,
        `${code}node:net.Socket is not available in a function`,
        `${code}node:net.Socket is not available in a function`,
      ],
    ]);
  });
});

describe("process", () => {
  const env = { GREETING: "hello", TOKEN: "t" };
  test("env holds the settings and secrets, anew for each run", async () => {
    const source = `const { env } = process; const atLoad = env.GREETING;
      export default () => { const seen = { ...process.env }; env.GREETING = "changed"; env.MORE = "x"; delete env.TOKEN; return [atLoad, seen, env.GREETING]; };`;
    const options = { revisionId: "process-env", env };
    const first = resultOf(await call(source, options));
    const again = resultOf(await call(source, { ...options, env: { ...env, TOKEN: "other" } }));
    assert.deepEqual(first, ["hello", env, "changed"]);
    assert.deepEqual(again, ["hello", { ...env, TOKEN: "other" }, "changed"]);
  });
  gives(
    "says what bundles ask, and nothing of the host",
    `import process from "node:process";`,
    `return [process === globalThis.process, process.platform, process.argv.length, /^v24\\./.test(process.version), process.release.name,
       process.cwd(), typeof process.hrtime.bigint(), ["pid", "kill", "exit", "memoryUsage"].filter((name) => name in process)];`,
    [true, "linux", 2, true, "node", "/", "bigint", []],
  );
  gives(
    "nextTick runs after the code under way and before timers",
    "",
    `const order: string[] = [];
     setTimeout(() => order.push("timer"), 0);
     const immediate = new Promise((resolve) => setImmediate((word) => { order.push(word); resolve(0); }, "immediate"));
     process.nextTick((word) => order.push(word), "tick");
     order.push("code");
     await immediate;
     return order;`,
    ["code", "tick", "timer", "immediate"],
  );
  test("env that is frozen, or watched, leaves the next run of the isolate as it was", async () => {
    const source = `let calls = 0;
      export default (what: string) => {
        const named = process.env["NAMED"];
        if (what === "watch") Object.defineProperty(process.env, "NAMED", { get() { calls += 1; throw new Error("seen"); }, configurable: true });
        if (what === "freeze") Object.freeze(process.env);
        return [named, calls];
      }`;
    const revisionId = "env-tricks";
    for (const what of ["watch", "freeze", "last"])
      assert.deepEqual(resultOf(await call(source, { input: what, revisionId, env: { NAMED: "value" } })), [
        "value",
        0,
      ]);
  });
  gives(
    "stdout ends as a stream does: with a last chunk, without one, with a callback",
    "",
    `const seen: string[] = []; process.stdout.end(); process.stdout.end(() => seen.push("ended")); process.stdout.end("last", () => seen.push("written"));
     await new Promise((resolve) => setTimeout(resolve, 5)); return seen;`,
    ["ended", "written"],
  );
  test("stdout and stderr are lines of the log", async () => {
    const { outcome, lines } = await begin(
      `export default () => { process.stdout.write("out\\n"); process.stderr.write(Buffer.from("err\\nor")); process.emitWarning("careful");
        for (const part of ["a", "b\\nc", "\\n", "\\n", "d\\ne\\n", "f"]) process.stdout.write(part); };`,
    );
    await outcome;
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [
        ["info", "out"],
        ["error", "err"],
        ["warn", "careful"],
        ...["ab", "c", "", "d\ne", "f"].map((line) => ["info", line]),
        ["error", "or"],
      ],
    );
  });
  gives(
    "the globals can be replaced, as bundles do",
    "",
    `(globalThis as any).process = { env: {} }; (globalThis as any).Buffer = 1;
     return [process.version === undefined, Buffer as any, global === globalThis];`,
    [true, 1, true],
  );
});

describe("Buffer", () => {
  gives(
    "its errors have Node's codes",
    `import { createCipheriv } from "node:crypto";`,
    `const codeOf = (act: () => unknown) => { try { act(); } catch (error: any) { return [error.name, error.code]; } };
     const two = Buffer.alloc(2); const cipher = (() => { try { createCipheriv("aes-128-none", "", ""); } catch (error: any) { return error.message; } })();
     return [codeOf(() => two.readUInt16LE(1)), codeOf(() => two.writeUInt8(300, 0)), codeOf(() => Buffer.alloc(-1)), codeOf(() => Buffer.from(5 as any)),
       codeOf(() => Buffer.concat("no" as any)), codeOf(() => two.toString("none" as any)), two.readUInt8(1), Buffer.from("ab", "latin1").equals(Buffer.concat([Buffer.from("a"), Buffer.from("b")])), cipher];`,
    [
      ...[
        ["RangeError", "ERR_OUT_OF_RANGE"],
        ["RangeError", "ERR_OUT_OF_RANGE"],
        ["RangeError", "ERR_OUT_OF_RANGE"],
      ],
      ...[
        ["TypeError", "ERR_INVALID_ARG_TYPE"],
        ["TypeError", "ERR_INVALID_ARG_TYPE"],
        ["TypeError", "ERR_UNKNOWN_ENCODING"],
      ],
      ...[0, true, "Unknown cipher: aes-128-none"],
    ],
  );
  gives(
    "encodings there and back",
    `import { Buffer as Imported } from "node:buffer";`,
    `const text = "h\\u00e9llo \\u{1f600}";
     const buffer = Buffer.from(text);
     return [Imported === Buffer, buffer.length, buffer.toString(), buffer.toString("hex", 0, 3), buffer.toString("base64"), buffer.toString("base64url"),
       Buffer.from("aGk_-w", "base64url").toString("hex"), Buffer.from("aGk/+w==", "base64").toString("hex"), Buffer.byteLength("\\u00e9"), Buffer.from("ff", "hex")[0],
       Buffer.concat([Buffer.from("a"), Buffer.from([98])]).toString("latin1"), Buffer.isEncoding("base64url"), buffer.toString("utf8", 1, 3), Buffer.alloc(3, "ab").toString()];`,
    [
      true,
      11,
      "héllo 😀",
      "68c3a9",
      "aMOpbGxvIPCfmIA=",
      "aMOpbGxvIPCfmIA",
      "68693ffb",
      "68693ffb",
      2,
      255,
      "ab",
      true,
      "é",
      "aba",
    ],
  );
  gives(
    "numbers, slices, comparisons, and what holds for a Uint8Array",
    "",
    `const buffer = Buffer.alloc(8); buffer.writeUInt32BE(0xdeadbeef, 0); buffer.writeInt16LE(-2, 4);
     const part = buffer.subarray(0, 4); part[0] = 1;
     return [buffer.readUInt32BE(0), buffer.readInt16LE(4), buffer instanceof Uint8Array, Buffer.isBuffer(part), Buffer.compare(Buffer.from("a"), Buffer.from("b")),
       Buffer.from("abc").equals(Buffer.from("abc")), Buffer.from("abcabc").indexOf("ca"), JSON.stringify(Buffer.from("a")), await new Response(Buffer.from("body")).text()];`,
    [0x01adbeef, -2, true, true, -1, true, 2, '{"type":"Buffer","data":[97]}', "body"],
  );
});

describe("events, util, path, url and their like", () => {
  gives(
    "events: emitters by class and by call, once, on, errorMonitor",
    `import EventEmitter, { once, on, errorMonitor } from "node:events"; import { inherits } from "node:util";`,
    `function Old(this: any) { (EventEmitter as any).call(this); } inherits(Old as any, EventEmitter as any);
     const old = new (Old as any)(); class New extends EventEmitter {} const fresh = new New();
     const seen: unknown[] = [];
     old.on("x", (value: unknown) => seen.push(value)); old.emit("x", 1);
     fresh.on(errorMonitor, () => seen.push("monitored")); fresh.on("error", () => seen.push("error")); fresh.emit("error", new Error("e"));
     setTimeout(() => { fresh.emit("y", 2); fresh.emit("y", 3); fresh.emit("z"); }, 1);
     const [first] = await once(fresh, "y");
     seen.push(first);
     queueMicrotask(() => { fresh.emit("w", 4); fresh.emit("w", 5); });
     for await (const [value] of on(fresh, "w")) { seen.push(value); if (value === 5) break; }
     try { new EventEmitter().emit("error", "boo"); } catch (error: any) { seen.push(error.message, error.code, error.context); }
     return seen;`,
    [1, "monitored", "error", 2, 4, 5, "Unhandled error. ('boo')", "ERR_UNHANDLED_ERROR", "boo"],
  );
  gives(
    "util: inspect, format, promisify, callbackify, types, isDeepStrictEqual",
    `import util from "node:util";`,
    `const slept = await util.promisify((ms: number, done: any) => setTimeout(() => done(null, ms), ms))(1);
     const called = await new Promise((resolve) => util.callbackify(async () => 7)((_: any, value: unknown) => resolve(value)));
     return [util.inspect({ a: [1, new Map([["k", 2]])] }), util.format("%s=%d %j", "a", 1, { b: 2 }), slept, called, util.types.isDate(new Date()), util.types.isUint8Array(Buffer.alloc(1)),
       util.types.isMap({ size: 1 }), util.isDeepStrictEqual({ a: new Set([1]) }, { a: new Set([1]) }), util.isDeepStrictEqual([1], ["1"])];`,
    ["{ a: [ 1, Map(1) { 'k' => 2 } ] }", 'a=1 {"b":2}', 1, 7, true, true, false, true, false],
  );
  gives(
    "path, url, querystring, string_decoder, punycode",
    `import path from "path"; import url, { fileURLToPath } from "node:url"; import querystring from "querystring"; import { StringDecoder } from "node:string_decoder";`,
    `const decoder = new StringDecoder("utf8"); const bytes = Buffer.from("\\u20ac");
     const parsed = url.parse("http://user:pw@host:81/p?q=1#h", true);
     return [path.resolve("/a", "../b"), path.extname("x.tar.gz"), path.posix.basename("/a/b.js", ".js"), [parsed.host, parsed.auth, parsed.query.q, url.format({ protocol: "https", host: "h", pathname: "/x" })],
       url.URL === URL, fileURLToPath("file:///a%20b"), querystring.stringify({ a: [1, 2], b: "x y" }), { ...querystring.parse("a=1&a=2") },
       decoder.write(bytes.subarray(0, 1)) + decoder.write(bytes.subarray(1)) + decoder.end()];`,
    [
      "/b",
      ".gz",
      "b",
      ["host:81", "user:pw", "1", "https://h/x"],
      true,
      "/a b",
      "a=1&a=2&b=x%20y",
      { a: ["1", "2"] },
      "€",
    ],
  );
  gives(
    "assert",
    `import assert, { AssertionError } from "node:assert"; import strict from "node:assert/strict";`,
    `const failed = (work: () => void) => { try { work(); return "passed"; } catch (error: any) { return [error instanceof AssertionError, error.code, error.name]; } };
     await assert.rejects(Promise.reject(new Error("x")), /x/);
     return [failed(() => assert.equal(1, 1)), failed(() => strict.equal(1, "1" as any)), failed(() => assert.deepStrictEqual({ a: [1] }, { a: [1] })), failed(() => assert(0)), failed(() => assert.throws(() => { throw new TypeError("t"); }, TypeError)), failed(() => assert.match("abc", /z/))];`,
    [
      "passed",
      [true, "ERR_ASSERTION", "AssertionError"],
      "passed",
      [true, "ERR_ASSERTION", "AssertionError"],
      "passed",
      [true, "ERR_ASSERTION", "AssertionError"],
    ],
  );
  gives(
    "timers, timers/promises, perf_hooks, os, diagnostics_channel",
    `import timers from "node:timers"; import { setTimeout as sleep } from "node:timers/promises"; import { performance as p } from "node:perf_hooks"; import os from "node:os"; import diagnostics from "node:diagnostics_channel";`,
    `const fired = await new Promise((resolve) => { const timer = timers.setTimeout(() => resolve("fired"), 1); timer.unref().ref().refresh(); });
     const controller = new AbortController(); const aborted = sleep(1_000, 0, { signal: controller.signal }).catch((error) => error.name); controller.abort();
     const heard: unknown[] = []; diagnostics.subscribe("c", (message, name) => heard.push(message, name)); diagnostics.channel("c").publish({ a: 1 });
     return [fired, await sleep(1, "slept"), await aborted, p === performance, os.EOL, os.platform(), heard];`,
    ["fired", "slept", "AbortError", true, "\n", "linux", [{ a: 1 }, "c"]],
  );
});

describe("timers that wait", () => {
  gives(
    "promisify(setTimeout), of the platform's and of node:timers, and setImmediate",
    `import { promisify } from "node:util"; import timers from "node:timers";`,
    `return await Promise.all([promisify(setTimeout)(1, "a"), promisify(timers.setTimeout)(1, "b"), promisify(setImmediate)("c"), promisify(timers.setImmediate)("d")]);`,
    ["a", "b", "c", "d"],
  );
});

describe("text that is an encoding's name", () => {
  gives(
    "is text where it is the only argument",
    "",
    `const made = Buffer.alloc(9); const length = made.write("base64url");
     return [length, made.toString(), made.indexOf("base64url"), made.includes("base64url"), Buffer.alloc(9).fill("base64url").toString(), Buffer.alloc(3).write("YWJj", "base64url")];`,
    [9, "base64url", 0, true, "base64url", 3],
  );
});

describe("what callbacks get", () => {
  gives(
    "callbackify tells of a falsy rejection; AsyncResource.bind and traceCallback hand on this and every result",
    `import util from "node:util"; import { AsyncResource } from "node:async_hooks"; import { tracingChannel } from "node:diagnostics_channel"; import path, { win32 } from "node:path";`,
    `const falsy = await new Promise<any>((resolve) => util.callbackify(() => Promise.reject(0) as any)(resolve as any));
     const bound = AsyncResource.bind(function (this: any) { return this.name; }).call({ name: "self" });
     const traced = await new Promise<any>((resolve) => tracingChannel("t").traceCallback((done: any) => done.call({ name: "self" }, null, 1, 2), 0, {}, undefined,
       function (this: any, ...results: any[]) { resolve([this.name, ...results]); }));
     let windows; try { win32.join("a"); } catch (error: any) { windows = error.message; }
     return [falsy.code, falsy.reason, bound, traced, windows];`,
    [
      "ERR_FALSY_VALUE_REJECTION",
      0,
      "self",
      ["self", null, 1, 2],
      "node:path.win32.join is not available in a function",
    ],
  );
});

describe("stream and zlib", () => {
  gives(
    "a stream that has ended or was destroyed ends its web stream",
    `import { Readable } from "node:stream";`,
    `const read = async (source: any) => { try { for await (const _ of Readable.toWeb(source) as any); return "ended"; } catch (error: any) { return error.code ?? error.message; } };
     const [gone, broken, later] = [Readable.from(["x"]), Readable.from(["x"]), new Readable({ read() {} })];
     gone.destroy(); broken.on("error", () => {}); broken.destroy(new Error("broken")); await new Promise((resolve) => setTimeout(resolve, 1));
     setTimeout(() => later.destroy(), 1);
     return [await read(gone), await read(broken), await read(later)];`,
    ["ERR_STREAM_PREMATURE_CLOSE", "broken", "ERR_STREAM_PREMATURE_CLOSE"],
  );
  gives(
    "a compressing stream is flushed bare, by a kind, with a callback, and closed",
    `import zlib from "node:zlib";`,
    `const made = zlib.createGzip(); const parts: Buffer[] = []; made.on("data", (part) => parts.push(part));
     made.write("hello "); made.flush(); made.write("world"); made.flush(zlib.constants.Z_SYNC_FLUSH);
     await new Promise<void>((resolve) => made.flush(resolve)); made.write("!");
     await new Promise<void>((resolve) => made.flush(zlib.constants.Z_SYNC_FLUSH, resolve));
     const early = parts.length > 1; made.end(); await new Promise((resolve) => made.once("end", resolve));
     const other = zlib.createGzip({ level: undefined }); const closed = await new Promise((resolve) => other.close(() => resolve("closed")));
     return [early, zlib.gunzipSync(Buffer.concat(parts)).toString(), closed];`,
    [true, "hello world!", "closed"],
  );
  gives(
    "pipelines, transforms, iteration, bridges to the platform's streams",
    `import { Readable, Transform, Writable, PassThrough } from "node:stream"; import { pipeline } from "node:stream/promises"; import { text } from "node:stream/consumers";`,
    `const parts: string[] = [];
     const upper = new Transform({ transform(chunk, _encoding, done) { done(null, String(chunk).toUpperCase()); } });
     await pipeline(Readable.from(["a", "b"]), upper, new Writable({ write(chunk, _e, done) { parts.push(String(chunk)); done(); } }));
     const iterated: string[] = []; for await (const chunk of Readable.from(["x", "y"])) iterated.push(chunk);
     const web = await new Response(Readable.toWeb(Readable.from([Buffer.from("we"), Buffer.from("b")])) as any).text();
     const back = await text(Readable.fromWeb(new Response("fetched").body as any));
     const failed = await pipeline(Readable.from(["a"]), new Transform({ transform(_c, _e, done) { done(new Error("no")); } }), new PassThrough()).catch((error) => error.message);
     return [parts.join(""), iterated, web, back, failed];`,
    ["AB", ["x", "y"], "web", "fetched", "no"],
  );
  gives(
    "deflate and gzip: at once, by callback, as streams; damage is told",
    `import zlib from "node:zlib"; import { promisify } from "node:util"; import { text } from "node:stream/consumers";`,
    `const packed = zlib.gzipSync("hello ".repeat(100));
     const { constants } = zlib;
     const damaged = (() => { try { zlib.inflateSync(Buffer.from("no zlib at all")); } catch (error: any) { return error.code; } })();
     const short = (() => { try { zlib.gunzipSync(packed.subarray(0, 12)); } catch (error: any) { return error.code; } })();
     const brotli = (() => { try { zlib.brotliCompressSync("x"); } catch (error: any) { return error.message; } })();
     const streamed = zlib.createGunzip(); streamed.end(packed);
     return [packed.length < 100, zlib.gunzipSync(packed).length, String(await promisify(zlib.inflateRaw)(zlib.deflateRawSync("raw"))), (await text(streamed as any)).length,
       await new Response(new Response(packed).body!.pipeThrough(new DecompressionStream("gzip"))).text() === "hello ".repeat(100), damaged, short, constants.Z_BEST_COMPRESSION, zlib.crc32("hello"), brotli];`,
    [
      true,
      600,
      "raw",
      600,
      true,
      "Z_DATA_ERROR",
      "Z_BUF_ERROR",
      9,
      907060870,
      "node:zlib.brotliCompressSync is not available in a function",
    ],
  );
});

describe("crypto", () => {
  gives(
    "hashes and HMACs",
    `import crypto, { createHash, createHmac } from "node:crypto";`,
    `const copy = createHash("sha1").update("a"); const other = copy.copy().update("b");
     return [createHash("sha256").update("a").update(Buffer.from("bc")).digest("hex"), createHash("md5").update("").digest("base64"), other.digest("hex") === createHash("SHA1").update("ab").digest("hex"),
       createHmac("sha512", "key").update("data").digest("hex").slice(0, 16), createHash("sha3-256").update("").digest().length, crypto.hash("sha1", "x"),
       (() => { try { createHash("nope"); } catch (error: any) { return error.message; } })()];`,
    [
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "1B2M2Y8AsgTpgAmY7PhCfg==",
      true,
      "3c5953a18f7303ec",
      32,
      "11f6ad8ec52a2984abaafd7c3b516503785c2072",
      "Digest method not supported",
    ],
  );
  gives(
    "random bytes, comparison, derivation",
    `import crypto from "crypto";`,
    `const late = await new Promise((resolve) => crypto.randomBytes(4, (_error, bytes) => resolve(bytes.length)));
     const unequal = (() => { try { crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("ab")); } catch (error: any) { return error.code; } })();
     return [crypto.randomBytes(70_000).length, late, /^[0-9a-f-]{36}$/.test(crypto.randomUUID()), crypto.randomInt(3) < 3, crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("a")), unequal,
       crypto.pbkdf2Sync("password", "salt", 2, 20, "sha1").toString("hex"), crypto.scryptSync("", "", 8, { N: 16, r: 1, p: 1 }).toString("hex"),
       Buffer.from(crypto.hkdfSync("sha256", "key", "salt", "info", 8)).length, crypto.webcrypto.subtle === globalThis.crypto.subtle];`,
    [
      70_000,
      4,
      true,
      true,
      true,
      "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH",
      "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957",
      "77d6576238657b20",
      8,
      true,
    ],
  );
  gives(
    "ciphers, with tags where they have one; keys of two halves are the platform's",
    `import crypto from "node:crypto";`,
    `const key = Buffer.alloc(32, 1); const iv = Buffer.alloc(12, 2);
     const cipher = crypto.createCipheriv("aes-256-gcm", key, iv); cipher.setAAD(Buffer.from("aad"));
     const sealed = cipher.update("secret", "utf8", "hex") + cipher.final("hex");
     const open = (tag: Buffer) => { const decipher = crypto.createDecipheriv("aes-256-gcm", key, iv); decipher.setAAD(Buffer.from("aad")); decipher.setAuthTag(tag); return decipher.update(sealed, "hex", "utf8") + decipher.final("utf8"); };
     const forged = (() => { try { open(Buffer.alloc(16)); } catch (error: any) { return error.message; } })();
     const cbc = crypto.createCipheriv("aes-128-cbc", Buffer.alloc(16, 3), Buffer.alloc(16, 4));
     const signing = (() => { try { crypto.createSign("RSA-SHA256"); } catch (error: any) { return error.message; } })();
     return [sealed, cipher.getAuthTag().toString("hex"), open(cipher.getAuthTag()), forged, Buffer.concat([cbc.update("text"), cbc.final()]).toString("hex"), signing];`,
    [
      "74b3aa3b2f23",
      "ea188d0e0e41f02acde34ec6e11eef5a",
      "secret",
      "Unsupported state or unable to authenticate data",
      "63383d9c663d79b7f422f1696db9d7a8",
      "node:crypto.createSign is not available in a function",
    ],
  );
});

describe("AsyncLocalStorage", () => {
  const IMPORT = `import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"; const store = new AsyncLocalStorage<any>();`;
  gives(
    "keeps its store over await, timers, microtasks, ticks and reactions of promises",
    IMPORT,
    `const later = (add: (done: () => void) => void) => new Promise((resolve) => add(() => resolve(store.getStore())));
     async function inner() { await null; await new Promise((resolve) => setTimeout(resolve, 1)); return store.getStore(); }
     async function* steps() { yield store.getStore(); await null; yield store.getStore(); }
     const one = (name: string) => store.run(name, async () => {
       const seen = [store.getStore(), await inner()];
       for await (const step of steps()) seen.push(step);
       seen.push(await later((done) => setTimeout(done, 1)), await later(queueMicrotask), await later((done) => setImmediate(done)), await later((done) => process.nextTick(done)));
       seen.push(await Promise.resolve().then(() => store.getStore()));
       try { await Promise.reject(new Error("x")); } catch { seen.push(store.getStore()); } finally { await null; seen.push(store.getStore()); }
       seen.push(...await Promise.all([1, 2].map(async () => { await null; return store.getStore(); })));
       return new Set(seen).size === 1 ? seen[0] : seen;
     });
     return [await Promise.all([one("a"), one("b")]), store.getStore() === undefined];`,
    [["a", "b"], true],
  );
  gives(
    "over fetch's answers and callbacks of the web's API",
    IMPORT,
    `return store.run(1, async () => { await new Response("x").text(); const first = store.getStore(); await crypto.subtle.digest("SHA-256", new Uint8Array(1)); return [first, store.getStore()]; });`,
    [1, 1],
  );
  gives(
    "nests, exits, is entered, bound, and carried by resources and snapshots",
    IMPORT,
    `const other = new AsyncLocalStorage<any>();
     return store.run("outer", () => {
       const bound = AsyncLocalStorage.bind(() => store.getStore()); const snapshot = AsyncLocalStorage.snapshot(); const resource = new AsyncResource("r");
       const nested = store.run("inner", () => other.run("o", () => [store.getStore(), other.getStore(), bound(), snapshot(() => store.getStore()), resource.runInAsyncScope(() => store.getStore()), store.exit(() => store.getStore())]));
       store.enterWith("entered");
       return [nested.map((one: any) => one ?? "none"), store.getStore()];
     });`,
    [["inner", "o", "outer", "outer", "outer", "none"], "entered"],
  );
  test("one run's store is not there in the next", async () => {
    const source = `${IMPORT} export default () => { const before = store.getStore() ?? "none"; store.enterWith("left"); return before; };`;
    await call(source, { revisionId: "als-runs" });
    assert.equal(resultOf(await call(source, { revisionId: "als-runs" })), "none");
  });
});

test("a function that uses none of it loads none of it", async () => {
  const source = `export default () => ["process", "Buffer", "setImmediate"].map((name) => typeof Object.getOwnPropertyDescriptor(globalThis, name)!.get);`;
  assert.deepEqual(resultOf(await call(source)), ["function", "function", "function"]);
});

test("an error inside a module shows the author's lines alone", async () => {
  const source = `import { Buffer } from "node:buffer";\nexport default () => { Buffer.from(undefined as any); };`;
  const { message, stack = "" } = errorOf(await call(source)) as { message: string; stack?: string };
  assert.match(message, /first argument must be/i);
  assert.ok(!/bellhop:/.test(stack), stack);
});
