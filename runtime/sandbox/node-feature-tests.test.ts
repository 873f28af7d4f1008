/** What packages ask of Node before they do anything: while they are loaded, or to find out what they may use. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import { errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, call } = startSandbox();
after(() => pool.close());

/** The body of a function, with what it imports. */
function gives(name: string, imports: string, body: string, expected: Json): void {
  test(name, async () => {
    const source = `${imports}\nexport default async (input: any, ctx: any) => { ${body} };`;
    assert.deepEqual(resultOf(await call(source)), expected);
  });
}

describe("what is not there", () => {
  gives(
    "rejects where Node would answer a promise, so that it can be caught there",
    `import { readFile } from "node:fs/promises"; import fs from "node:fs"; import { Resolver } from "node:dns/promises";`,
    `let thrown; try { new Resolver(); } catch (error: any) { thrown = error.code; }
     return [await readFile("/x").catch(() => null), await fs.promises.stat("/x").catch((error: any) => error.message), thrown];`,
    [null, "node:fs.promises.stat is not available in a function", "ERR_METHOD_NOT_IMPLEMENTED"],
  );
  gives(
    "http.Agent can be made, kept and extended, and refuses a connection",
    `import http from "node:http"; import https, { Agent } from "node:https";`,
    `const agent = new http.Agent({ keepAlive: true, maxSockets: 3 }) as any; class Mine extends Agent {}
     const mine = new Mine() as any; mine.destroy();
     let said; try { agent.createConnection({}); } catch (error: any) { said = error.message; }
     return [agent.keepAlive, agent.maxSockets, agent.options.keepAlive, mine.defaultPort, mine.protocol, mine instanceof http.Agent, typeof mine.on,
       https.globalAgent instanceof https.Agent, said];`,
    [
      true,
      3,
      true,
      443,
      "https:",
      true,
      "function",
      true,
      "node:http.Agent.createConnection is not available in a function",
    ],
  );
  gives(
    "worker_threads: the only thread; what is marked stays as it is",
    `import * as threads from "node:worker_threads";`,
    `return [threads.isMainThread, threads.parentPort, (threads as any).markAsUncloneable({}) ?? null, typeof threads.MessageChannel];`,
    [true, null, null, "function"],
  );
});

describe("async functions in a bundle that names async_hooks", () => {
  gives(
    "are told from others, in every form",
    `import { AsyncLocalStorage } from "node:async_hooks"; import util from "node:util"; import { EventEmitter } from "node:events";`,
    `const store = new AsyncLocalStorage();
     async function named(a: any, { b } = { b: 1 }) { await a; }
     class Own { async method(a: any) { await a; } static async of() {} static #hidden = async () => {}; static hidden = Own.#hidden; plain() { return (async () => {})(); } }
     const all = [async () => {}, async (x: any) => x, async (a = 1, ...rest: any[]) => [a, rest], named, new Own().method, Own.of, Own.hidden, { async ["a" + 1](x: any) { await x; } }.a1];
     const others = [() => {}, function () {}, new Own().plain, Own, named.bind(null), EventEmitter, () => (async () => {})()];
     const tags = (list: any[]) => [...new Set(list.map((one) => [one[Symbol.toStringTag], one.constructor.name, Object.prototype.toString.call(one), util.types.isAsyncFunction(one)].join()))];
     async function* rows() { yield 1; }
     const first = async () => 1;
     return [first.constructor.name, tags(all), tags(others), (rows as any)[Symbol.toStringTag], rows.constructor.name, util.inspect(async function shown() {}), util.inspect(function plain() {}),
       util.inspect(class A extends Own {}), named instanceof Function, store.run(1, () => store.getStore())];`,
    [
      "AsyncFunction",
      ["AsyncFunction,AsyncFunction,[object AsyncFunction],true"],
      [",Function,[object Function],false"],
      "AsyncGeneratorFunction",
      "AsyncGeneratorFunction",
      "[Function: shown] [AsyncFunction]",
      "[Function: plain]",
      "[class A extends Own]",
      true,
      1,
    ],
  );
  gives(
    "a function's constructor and tag are written to as elsewhere",
    `import "node:async_hooks";`,
    `const one: any = () => {}; one.constructor = 1; one[Symbol.toStringTag] = "One";
     return [one.constructor, Object.prototype.toString.call(one), (() => {}).constructor === Function];`,
    [1, "[object One]", true],
  );
});

describe("buffer, util, module", () => {
  gives(
    "Buffer: the methods for one encoding each",
    "",
    `const bytes = Buffer.from("h\u00e9!") as any; const target = Buffer.alloc(6) as any;
     const written = [target.latin1Write("\u00e9a", 1), target.utf8Write("z"), target.hexWrite("ff", 5), target.base64Write("YQ==", 4, 1)];
     return [bytes.latin1Slice(1, 3), bytes.utf8Slice(0, bytes.length), bytes.hexSlice(0, 2), bytes.asciiSlice(0, 1), bytes.base64Slice(), bytes.base64urlSlice(0, 1), Buffer.from([97, 0]).ucs2Slice(),
       written, [...target]];`,
    [
      "\u00c3\u00a9",
      "h\u00e9!",
      "68c3",
      "h",
      "aMOpIQ==",
      "aA",
      "a",
      [2, 1, 1, 1],
      [122, 233, 97, 0, 97, 255],
    ],
  );
  gives(
    "util: parseArgs",
    `import { parseArgs } from "node:util";`,
    `const options = { force: { type: "boolean", short: "f" }, name: { type: "string", short: "n", default: "none" }, tag: { type: "string", multiple: true } } as const;
     const code = (config: any) => { try { parseArgs(config); return "none"; } catch (error: any) { return error.code; } };
     const { values, positionals } = parseArgs({ args: ["-fnada", "--tag=a", "--tag", "b", "x", "--", "--y"], options, allowPositionals: true });
     return [values, positionals, parseArgs({ args: [], options }).values, parseArgs({ args: ["--no-force"], options, allowNegative: true }).values, parseArgs({ args: ["--z", "-q"], strict: false }).values,
       [code({ args: ["--z"] }), code({ args: ["x"] }), code({ args: ["--name"], options }), code({ args: ["--force=1"], options }), code({ args: ["--name", "--force"], options })]];`,
    [
      { force: true, name: "ada", tag: ["a", "b"] },
      ["x", "--y"],
      { name: "none" },
      { force: false, name: "none" },
      { z: true, q: true },
      [
        "ERR_PARSE_ARGS_UNKNOWN_OPTION",
        "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL",
        "ERR_PARSE_ARGS_INVALID_OPTION_VALUE",
        "ERR_PARSE_ARGS_INVALID_OPTION_VALUE",
        "ERR_PARSE_ARGS_INVALID_OPTION_VALUE",
      ],
    ],
  );
  gives(
    "util: styleText, getCallSites; module: builtinModules",
    `import { getCallSites, styleText } from "node:util"; import { builtinModules } from "node:module";`,
    `let code; try { styleText("nope" as any, "x"); } catch (error: any) { code = error.code; }
     return [styleText(["red", "bold"], "x"), styleText("none" as any, "x"), code, getCallSites(), builtinModules.includes("fs"), builtinModules.includes("left-pad")];`,
    ["\u001b[31m\u001b[1mx\u001b[22m\u001b[39m", "x", "ERR_INVALID_ARG_VALUE", [], true, false],
  );
  test("process.env makes text of what is written to it", async () => {
    const source = `export default () => { const env = process.env as any; env.FLAG = true; Object.assign(env, { N: 1 }); delete env.A;
      let error; try { env.S = Symbol("s"); } catch (thrown: any) { error = thrown.name; }
      return [env.FLAG === "true", { ...env }, "KV" in env, JSON.stringify(env), error]; }`;
    const env = { FLAG: "true", N: "1" };
    assert.deepEqual(resultOf(await call(source, { env: { A: "1" } })), [
      true,
      env,
      false,
      JSON.stringify(env),
      "TypeError",
    ]);
  });
});

describe("what was thrown", () => {
  test("a long message loses neither the stack nor the causes", async () => {
    const source = `export default () => { throw new Error("m".repeat(100_000), { cause: new RangeError("why".repeat(3_000)) }); }`;
    const { message, details } = errorOf(await call(source));
    const { stack, causes } = details as unknown as {
      stack: string;
      causes: { message: string; stack: string }[];
    };
    assert.equal(message.length, 8_193);
    assert.match(stack, /^at default \(/);
    assert.equal(causes[0]!.message.length, 2_001);
    assert.match(causes[0]!.stack, /^at default \(/);
  });
  test("what is no error is told by what it is", async () => {
    const said = async (thrown: string) =>
      errorOf(await call(`export default () => { throw ${thrown}; }`)).message;
    assert.equal(await said("Retry"), "a function or class was thrown: Retry");
    assert.equal(await said('new Response("denied", { status: 403 })'), "an instance of Response was thrown");
    assert.equal(await said("{ code: 5 }"), '{"code":5}');
    assert.equal(await said("{}"), "{}");
  });
  test("a toJSON that throws fails as what it threw; what has no JSON does not", async () => {
    const code = async (value: string) => errorOf(await call(`export default () => (${value})`)).code;
    assert.equal(await code("{ toJSON() { return (undefined as any).x; } }"), "function_error");
    assert.equal(await code("1n"), "result_not_json");
    assert.equal(await code("(() => { const a: any = {}; a.a = a; return a; })()"), "result_not_json");
  });
  test("what JSON would lose is no result, and is told by its name", async () => {
    const said = async (value: string) => {
      const { code, message } = errorOf(await call(`export default () => (${value})`));
      return `${code}: ${message}`;
    };
    for (const [value, name] of [
      ["(function* () { yield 1; })()", "Generator"],
      ['new Response("x").body', "ReadableStream"],
      ["new WeakMap()", "WeakMap"],
      ["[1].values()", "Array Iterator"],
      ["new Uint8Array([1])", "Uint8Array"],
      ['new Blob(["x"])', "Blob"],
    ]) {
      assert.equal(await said(value!), `result_not_json: The result is not JSON: it is of the type ${name}.`);
    }
    const named = "new (class { a = 1; get [Symbol.toStringTag]() { return 'Point'; } })()";
    assert.deepEqual(resultOf(await call(`export default () => (${named})`)), { a: 1 });
    assert.deepEqual(resultOf(await call("export default () => Object.create({})")), {});
  });
  test("noRetry() is final, also where a Retry is thrown", async () => {
    const source = "export default { scheduled(event: any) { event.noRetry(); throw new Retry(); } };";
    assert.equal(errorOf(await call(source)).code, "function_fatal");
  });
});
