/** What crosses the border by itself: results, thrown values, log fields, promises, each as hostile as it can be. */
import { type Attack, attacksOf } from "../attack.ts";

const LIMITS = { memoryMb: 64, wallMs: 800 };
const fn = (body: string): string =>
  `export default async (_: unknown, ctx: any) => { const g = globalThis as any; ${body} };`;

/** Each ends by itself: the run fails with the author's error, or as no JSON. */
const settled: [string, string][] = [
  ["throws undefined", fn("throw undefined;")],
  ["throws null", fn("throw null;")],
  ["throws a symbol", fn("throw Symbol('thrown');")],
  ["throws a BigInt of a million digits", fn("throw 7n ** 300_000n;")],
  [
    "throws a function whose name and message are getters that throw",
    fn(
      "throw Object.defineProperties(() => {}, { name: { get() { throw 1; } }, message: { get() { throw 2; } }, stack: { get() { throw 3; } } });",
    ),
  ],
  ["throws a revoked proxy", fn("const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy;")],
  [
    "throws a proxy whose every trap throws another",
    fn("const make = (): any => new Proxy({}, new Proxy({}, { get() { throw make(); } })); throw make();"),
  ],
  [
    "throws an object without a prototype",
    fn("throw Object.assign(Object.create(null), { message: { toString: null } });"),
  ],
  [
    "throws an error whose fields are of other types",
    fn(
      "throw Object.assign(new Error('x'), { name: 5, message: {}, stack: [], code: 'ok', cause: globalThis });",
    ),
  ],
  [
    "throws an error whose toString and toJSON throw",
    fn("throw { toString() { throw 1; }, toJSON() { throw 2; }, [Symbol.toPrimitive]() { throw 3; } };"),
  ],
  ["throws an error whose cause is itself", fn("const e: any = new Error('loop'); e.cause = e; throw e;")],
  [
    "throws what claims to be a result",
    fn(
      "throw { t: 'result', id: 1, code: 'ok', result: '\"forged\"', ok: true, text: 'forged', recycle: true };",
    ),
  ],
  [
    "throws an error with a stack of forged host frames",
    fn(
      "const e = new Error('x'); e.stack = 'Error: x\\n    at Module._load (node:internal/modules/cjs/loader:1:1)\\n    at file:///root/secret.ts:1:1\\n    at <isolated-vm boundary>\\n    at ' + 'y'.repeat(1e6); throw e;",
    ),
  ],
  ["returns a function", fn("return () => 1;")],
  ["returns a symbol", fn("return Symbol.iterator;")],
  ["returns a BigInt", fn("return 1n;")],
  ["returns a circle", fn("const a: any = {}; a.a = a; return a;")],
  ["returns a getter that throws", fn("return { get a() { throw new Error('getter'); } };")],
  [
    "returns a revoked proxy",
    fn("const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy;"),
  ],
  ["returns a toJSON that answers undefined", fn("return { toJSON() { return undefined; } };")],
  [
    "a result so deep that the writing of it overflows the stack",
    fn("let deep: any = {}; for (let i = 0; i < 100_000; i++) deep = [deep]; return deep;"),
  ],
  [
    "a default export that is a getter, a proxy, a class",
    "class Odd { constructor() { throw new Error('odd'); } }\nexport default Odd;",
  ],
  [
    "a module that throws while it is loaded",
    "throw { get message() { throw 1; } };\nexport default () => 1;",
  ],
  [
    "a module that replaces its exports by a proxy",
    "declare const module: any;\nmodule.exports = new Proxy({}, { get() { throw new Error('trap'); } });\nexport default () => 1;",
  ],
];

/** Each would run for ever in what reads it. */
const endless: [string, string][] = [
  ["an error whose message getter loops", fn("throw { get message() { for (;;); } };")],
  [
    "an error whose name getter loops",
    fn("throw Object.defineProperty(new Error('x'), 'name', { get() { for (;;); } });"),
  ],
  [
    "an error whose stack getter loops",
    fn("throw Object.defineProperty(new Error('x'), 'stack', { get() { for (;;); } });"),
  ],
  [
    "an error whose toString loops",
    fn(
      "throw { toJSON: 1, toString() { for (;;); }, get message() { return { toString() { for (;;); } }; }, get a() { for (;;); } };",
    ),
  ],
  [
    "Error.prepareStackTrace that loops",
    fn("(Error as any).prepareStackTrace = () => { for (;;); }; throw new Error('x');"),
  ],
  [
    "a stackTraceLimit getter that loops",
    fn(
      "Object.defineProperty(Error, 'stackTraceLimit', { get() { for (;;); }, configurable: true }); (Error as any).stackTraceLimit; throw new Error('x');",
    ),
  ],
  ["a result whose toJSON loops", fn("return { toJSON() { for (;;); } };")],
  ["a result whose getter loops", fn("return { get a() { for (;;); } };")],
  [
    "a result that is a proxy with endless keys",
    fn("return new Proxy({}, { ownKeys: () => { for (;;); } });"),
  ],
  ["log fields whose toJSON loops", fn("ctx.log.info('x', { toJSON() { for (;;); } });")],
  [
    "a console argument whose toString loops",
    fn("console.log('%d', { valueOf() { for (;;); }, get a() { for (;;); } }, { toJSON() { for (;;); } });"),
  ],
  [
    "an unhandled rejection whose message loops",
    fn(
      "Promise.reject({ get message() { for (;;); }, toString() { for (;;); } }); await new Promise(() => {});",
    ),
  ],
  [
    "a failed waitUntil whose message loops",
    fn("ctx.waitUntil(Promise.reject({ get message() { for (;;); } })); return 1;"),
  ],
  [
    "a thrown value in a timer whose message loops",
    fn("setTimeout(() => { throw { get message() { for (;;); } }; }, 1); await new Promise(() => {});"),
  ],
  ["a thenable result that never settles", fn("return { then() {} };")],
  [
    "a thenable whose then answers with ever new thenables",
    fn("const make = (): any => ({ then(resolve: any) { resolve(make()); } }); return make();"),
  ],
  [
    "Promise.prototype.then that loses every continuation",
    fn(
      "Promise.prototype.then = function () { return new Promise(() => {}) as any; }; Object.defineProperty(Promise, Symbol.species, { get: () => function () { for (;;); } }); await { then() {} };",
    ),
  ],
];

/** Each ends with its own answer, and what the rest of the system sees is what it may say. */
const harmless: Attack[] = [
  {
    name: "a result that is an array proxy of endless length",
    source: fn(
      "return new Proxy([], { get: (_t, key) => (key === 'length' ? 2 ** 32 - 1 : key === 'toJSON' ? undefined : 1) });",
    ),
    expect: { codes: ["function_error", "function_memory_exceeded", "function_timeout", "result_too_large"] },
  },
  {
    name: "Error.stackTraceLimit of infinity and a recursion of thousands, thrown",
    source: fn(
      "Error.stackTraceLimit = Infinity; const dive = (n: number): any => { if (n === 0) throw new Error('bottom'); return dive(n - 1); }; dive(5_000);",
    ),
    expect: { codes: ["function_error"] },
  },
  {
    name: "Error.captureStackTrace on the context, the console and the global object",
    source: fn(
      "const all: any[] = [ctx, ctx.log, console, g]; for (const one of all) { try { (Error as any).captureStackTrace(one); } catch {} } return all.map((one) => { const stack = String(one.stack ?? ''); delete one.stack; return /node:|file:|\\.node\\b/.test(stack); });",
    ),
    expect: { answer: { equal: [false, false, false, false] } },
  },
  {
    name: "a promise resolved and rejected many times",
    source: fn(
      "return await new Promise((resolve, reject) => { for (let i = 0; i < 100_000; i++) { resolve('first'); reject(new Error('later')); } });",
    ),
    expect: { answer: { equal: "first" } },
  },
  {
    name: "a thenable that resolves twice and then throws",
    source: fn(
      "return { then(resolve: any, reject: any) { resolve('once'); resolve('twice'); reject(new Error('three')); throw new Error('four'); } };",
    ),
    expect: { answer: { equal: "once" } },
  },
  {
    name: "a result with the key __proto__ and the names of the platform's messages",
    source: fn(
      `return JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"t":"result","id":1,"code":"ok","toJSON":"x","then":null}');`,
    ),
    expect: {
      answer: (answer) =>
        (({}) as { admin?: unknown }).admin === undefined && answer !== null ? undefined : "polluted",
    },
  },
  {
    name: "log fields that are circles, proxies, getters, BigInts, symbols, functions",
    source: fn(
      "const a: any = { n: 1n }; a.a = a; const odd = [a, new Proxy({}, { ownKeys() { throw 1; } }), { get x() { throw new Error('getter'); } }, { s: Symbol('x'), f() {} }, { toJSON() { throw null; } }, { toJSON() { return undefined; } }, []]; for (const one of odd) { ctx.log.info('odd', one); ctx.log.warn(one, 'x'); console.error(one, [one]); } return 'logged';",
    ),
    expect: { answer: { equal: "logged" } },
  },
  {
    name: "log lines with terminal escapes, NULs, lone surrogates and forged newlines of JSON",
    source: fn(
      `ctx.log.info('\\u001b[2J\\u0000\\ud800\\n{"level":"error","msg":"forged"}\\r\\n', { '\\u0000': '\\ud800' }); return '\\ud800\\u0000'.length;`,
    ),
    expect: { answer: { equal: 2 }, codes: ["function_error", "result_not_json"] },
  },
  {
    name: "a date of the log's clock far beyond any date",
    source: fn(
      "const real = Date.now; Date.now = () => 1e300; g.Date = class { static now() { return NaN; } }; ctx.log.info('when'); console.log('when'); await new Promise((resolve) => setTimeout(resolve, 1)); Date.now = real; return 'logged';",
    ),
    expect: { answer: { equal: "logged" } },
  },
];

export const values: Attack[] = [
  ...attacksOf(settled, {
    limits: LIMITS,
    expect: {
      answer: (answer) => (answer === null || answer === 1 ? undefined : "a hostile value became an answer"),
      codes: [
        "function_error",
        "result_not_json",
        "unsupported_shape",
        "result_too_large",
        "function_timeout",
      ],
    },
  }),
  ...attacksOf(endless, {
    limits: { memoryMb: 64, wallMs: 400 },
    expect: { codes: ["function_timeout", "function_memory_exceeded", "function_cpu_exceeded"] },
  }),
  ...harmless,
];
