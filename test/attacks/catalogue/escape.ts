/** Out of the isolate through the language itself: constructors, prototypes, callers, frames, imports. */
import { type Attack, attacksOf, FINDS_NOTHING } from "../attack.ts";

const TRY = 'import { tryDoors } from "./probe.ts";\n';

export const escapes: Attack[] = attacksOf(
  [
    [
      "this.constructor.constructor of every kind of this",
      `${TRY}export default function (this: any) {
        const doors: any = { "this": this ?? {}, global: globalThis };
        doors.sloppy = new Function("return this")();
        doors.method = { m() { return this; } }.m();
        doors.timer = (0, eval)("this");
        return tryDoors(doors);
      }`,
    ],
    [
      "the constructors of all literals",
      `${TRY}export default () => tryDoors({
        number: 1, string: "", bigint: 1n, boolean: true, symbol: Symbol(), regexp: /a/, array: [], object: {},
        arrow: () => 1, async: async () => 1, generator: function* () {}, asyncGenerator: async function* () {},
        iterator: [][Symbol.iterator](), promise: Promise.resolve(), date: new Date(), error: new Error(), map: new Map(),
        weak: new WeakRef({}), typed: new Uint8Array(1), buffer: new ArrayBuffer(1), view: new DataView(new ArrayBuffer(1)),
        class: class { #p = 1; static s = 2; }, bound: (function () {}).bind(null), proxy: new Proxy(function () {}, {}),
        registry: new FinalizationRegistry(() => {}), intl: new Intl.NumberFormat(), segment: new Intl.Segmenter(),
      });`,
    ],
    [
      "Function through async, generator and async generator functions",
      `const KINDS = [async () => {}, function* () {}, async function* () {}, () => {}];
      const LOOK = "return [typeof internalBinding, typeof require, this === undefined || this === globalThis].join()";
      export default async () => {
        const found: string[] = [];
        for (const kind of KINDS) {
          const made = (kind as any).constructor(LOOK)();
          const seen = await (made?.next ? (await made.next()).value : made);
          if (seen !== "undefined,undefined,true") found.push(String(seen));
        }
        return found;
      };`,
    ],
    [
      "bound functions, Reflect.construct and newTarget of other kinds",
      `${TRY}export default (_: unknown, ctx: any) => {
        const doors: any = {};
        const makers = [setTimeout, console.log, ctx.log.info, ctx.waitUntil, Function, eval, queueMicrotask];
        for (const maker of makers) {
          const bound = (maker as any).bind(globalThis);
          doors["bound " + maker.name] = bound;
          try { doors["constructed " + maker.name] = Reflect.construct(bound, [], Function); } catch (thrown) { doors["error " + maker.name] = thrown; }
          try { doors["target " + maker.name] = Reflect.construct(Object, [], bound); } catch (thrown) { doors["error 2 " + maker.name] = thrown; }
        }
        return tryDoors(doors);
      };`,
    ],
    [
      "console methods",
      `${TRY}export default () => {
        const doors: any = { console };
        for (const name of Reflect.ownKeys(console)) doors[String(name)] = (console as any)[name];
        for (const name of ["_stdout", "_stderr", "Console", "context", "_times"]) if ((console as any)[name]) doors[name] = (console as any)[name];
        return tryDoors(doors);
      };`,
    ],
    [
      "the context's methods and values",
      `${TRY}export default (_: unknown, ctx: any) => {
        const doors: any = { ctx, log: ctx.log, env: ctx.env, date: ctx.scheduledAt };
        for (const holder of [ctx, ctx.log]) for (const name of Reflect.ownKeys(holder)) doors[String(name)] = holder[name];
        return tryDoors(doors);
      };`,
    ],
    [
      "instances of every global class, the web's included",
      `${TRY}export default () => {
        const doors: any = {};
        for (const name of Object.getOwnPropertyNames(globalThis)) {
          const value = (globalThis as any)[name];
          doors[name] = value;
          if (typeof value !== "function") continue;
          for (const given of [[], ["https://example.com/"], [{}], [() => {}]]) {
            try { doors["new " + name + " " + given.length] = new value(...given); } catch (thrown) { doors["error of " + name] = thrown; }
          }
        }
        return tryDoors(doors);
      };`,
    ],
    [
      "indirect eval, new Function and with",
      `import { searchHost, tryDoors } from "./probe.ts";
      export default () => {
        const doors: any = {};
        doors.eval = (0, eval)("this");
        doors.sloppy = new Function("with (this) { return function () { return this } }")()();
        doors.nested = (0, eval)("eval")("(function () { return this })()");
        const caller = new Function("return arguments.callee.caller")();
        return [...tryDoors(doors), ...searchHost({ caller })];
      };`,
    ],
    [
      "caller and arguments of sloppy functions that the bridge calls",
      `${TRY}export default async (_: unknown, ctx: any) => {
        const doors: any = {};
        let no = 0;
        const spy = new Function("keep", "return function spy() { keep(spy.caller, spy.arguments, arguments.callee.caller); return 'x'; }")(
          (...seen: unknown[]) => { for (const one of seen) if (one) doors["seen " + no++] = one; },
        );
        ctx.log.info("x", { toJSON: spy, get a() { return spy(); } });
        console.log({ toString: spy, [Symbol.toPrimitive]: spy });
        await new Promise((resolve) => setTimeout(() => { spy(); resolve(0); }, 1));
        await { then(resolve: any) { spy(); resolve(); } };
        try { (setTimeout as any)({ [Symbol.toPrimitive]: spy, toString: spy }, { valueOf: spy }); } catch (thrown) { doors.thrown = thrown; }
        return tryDoors(doors);
      };`,
    ],
    [
      "the module's own wrapper: arguments, exports, module, by direct eval",
      `${TRY}const seen: any = {};
      for (const name of ["arguments", "module", "exports", "require", "this", "__filename", "new.target"]) {
        try { const value = eval(name); if (value !== null && typeof value === "object" || typeof value === "function") seen[name] = value; } catch {}
      }
      try { seen.callee = eval("arguments.callee"); seen.caller = eval("arguments.callee.caller") ?? {}; } catch {}
      export default () => tryDoors(seen);`,
    ],
    [
      "names that the guest's own code and the bridge could have left",
      `const NAMES = "ivm $0 $1 $2 $3 $4 _ivm isolate context reference installGuest enter settle wake emitLog limitsJson host connectHost receiveMessage primordials internalBinding bootstrap guest __host __bellhop bellhop Deno Bun require module exports WebAssembly SharedArrayBuffer Atomics gc d8 print load read quit".split(" ");
      export default () => NAMES.filter((name) => {
        try { return (0, eval)("typeof " + name) !== "undefined" || name in globalThis; } catch { return true; }
      });`,
    ],
    [
      "errors of the bridge, for the realm they come from",
      `${TRY}export default (_: unknown, ctx: any) => {
        const doors: any = {};
        const bad: any[] = [Symbol("s"), 1n, null, undefined, {}, new Proxy({}, { get() { throw new Error("trap"); } }), () => {}, -0, NaN];
        const calls: any = { setTimeout, setInterval, clearTimeout, queueMicrotask, waitUntil: ctx.waitUntil, info: ctx.log.info, log: console.log, table: console.table, count: console.count, time: console.time };
        let no = 0;
        for (const name of Object.keys(calls)) for (const one of bad) for (const args of [[one], [() => {}, one], ["x", one], [one, one, one]]) {
          try { doors["answer " + name + no++] = calls[name](...args); } catch (thrown) { doors["error " + name + no++] = thrown; }
        }
        return tryDoors(doors);
      };`,
    ],
    [
      "a stack overflow inside calls of the bridge, at every depth",
      `${TRY}export default (_: unknown, ctx: any) => {
        const doors: any = {};
        const calls: (() => unknown)[] = [() => ctx.log.info("deep", { a: 1 }), () => setTimeout(() => {}, 1), () => console.log("%o", {}), () => ctx.waitUntil(Promise.resolve()), () => Date.now()];
        let no = 0;
        const bounded = (call: () => unknown) => { let left = 400; const go = (): void => { try { go(); } catch (thrown) { if (left-- > 0) { try { call(); } catch (inner) { doors["error " + no++] = inner; } } throw thrown; } }; try { go(); } catch (thrown) { doors["over " + no++] = thrown; } };
        for (const call of calls) bounded(call);
        return tryDoors(doors);
      };`,
    ],
    [
      "CallSite.getThis and getFunction of frames that are not the guest's",
      `${TRY}export default async (_: unknown, ctx: any) => {
        const doors: any = {};
        let no = 0;
        (Error as any).prepareStackTrace = (error: unknown, sites: any[]) => {
          for (const site of sites) {
            for (const name of ["getThis", "getFunction", "getEvalOrigin", "getPromiseIndex"]) {
              try { const got = site[name]?.(); if (got && typeof got !== "string" && no < 300) doors[name + no++] = got; } catch {}
            }
            if (no < 300) doors["site" + no++] = site;
          }
          return "";
        };
        const look = () => String(new Error("look").stack);
        look();
        ctx.log.info("x", { toJSON: look });
        console.log({ toJSON: look });
        await new Promise((resolve) => setTimeout(() => { look(); resolve(0); }, 1));
        await null;
        look();
        try { (null as any).x; } catch (error: any) { String(error.stack); }
        delete (Error as any).prepareStackTrace;
        for (const key of Object.keys(doors)) if (doors[key] === globalThis) delete doors[key];
        return tryDoors(doors);
      };`,
    ],
    [
      "proxies handed to the bridge, for the receivers and arguments of their traps",
      `import { searchHost } from "./probe.ts";
      export default async (_: unknown, ctx: any) => {
        const seen: any = {};
        let no = 0;
        const handler: any = new Proxy({}, { get: (_t, trap: string) => (...args: unknown[]) => { for (const arg of args) if (no < 500) seen[trap + no++] = arg; return (Reflect as any)[trap](...args); } });
        const spy = () => new Proxy(function () {}, handler) as any;
        for (const call of [() => ctx.log.info(spy(), spy()), () => console.log(spy(), spy()), () => console.table(spy()), () => setTimeout(spy(), spy()), () => clearTimeout(spy()), () => ctx.waitUntil(spy()), () => queueMicrotask(spy())]) {
          try { call(); } catch (thrown) { seen["thrown" + no++] = thrown; }
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
        return searchHost(seen);
      };`,
    ],
    [
      "the prototype of the global object, swapped and walked",
      `${TRY}export default () => {
        const doors: any = { proto: Object.getPrototypeOf(globalThis) };
        for (let at = globalThis as any, no = 0; at !== null; at = Object.getPrototypeOf(at)) doors["link " + no++] = at;
        try { Object.setPrototypeOf(globalThis, new Proxy({}, { get(_t, name) { doors["asked " + String(name)] = {}; return undefined; }, has: () => false })); } catch (thrown) { doors.thrown = thrown; }
        const found = tryDoors(doors);
        return found;
      };`,
    ],
    [
      "another realm, by ShadowRealm, iframes, vm contexts or workers",
      `${TRY}export default () => {
        const g = globalThis as any;
        const doors: any = {};
        for (const name of ["ShadowRealm", "Worker", "SharedWorker", "document", "window", "frames", "vm", "Isolate", "Context", "Realm", "Compartment"]) {
          if (g[name] === undefined) continue;
          doors[name] = g[name];
          try { doors["new " + name] = new g[name]("data:text/javascript,1"); } catch (thrown) { doors["error " + name] = thrown; }
          try { doors["in " + name] = new g[name]().evaluate("globalThis"); } catch {}
        }
        return tryDoors(doors);
      };`,
    ],
    [
      "V8's natives syntax and debugger hooks",
      `export default () => {
        const found: string[] = [];
        for (const code of ["%DebugPrint(1)", "%SystemBreak()", "%AbortJS('x')", "%GetOptimizationStatus(() => 1)", "%ConstructDouble(1,2)"]) {
          try { (0, eval)(code); found.push(code); } catch (thrown) { if (!(thrown instanceof SyntaxError)) found.push(code + String(thrown)); }
        }
        (0, eval)("debugger");
        for (const name of ["gc", "inspect", "debug", "monitorEvents", "externalizeString", "isOneByteString", "getV8Statistics"]) if (name in globalThis) found.push(name);
        return found;
      };`,
    ],
    [
      "import() of files, builtins, addresses and data, in every form",
      `const NAMES = ["./index.ts", "../../package.json", "file:///etc/passwd", "/etc/passwd", "data:text/javascript,export default 1", "https://example.com/x.js", "isolated-vm", "bellhop", ""];
      export default async () => {
        const found: string[] = [];
        const forms: ((name: string) => Promise<unknown>)[] = [
          (name) => import(name + ""),
          (name) => (0, eval)("name => import(name)")(name),
          (name) => new Function("name", "return import(name)")(name),
          (name) => (0, eval)("name => import(name, { with: { type: 'json' } })")(name),
        ];
        for (const form of forms) for (const name of NAMES) {
          try { await form(name); found.push("imported " + name); } catch (thrown) { if (/node:[\\w/]+:\\d|node_modules|isolated-vm'/.test(String((thrown as any)?.stack).replaceAll(name, ""))) found.push(String((thrown as any).stack)); }
        }
        return found;
      };`,
    ],
    [
      "errors that the engine makes for the host: syntax, stack, memory, import",
      `${TRY}export default async () => {
        const doors: any = {};
        const raise: (() => unknown)[] = [
          () => (0, eval)("}{"), () => new RegExp("("), () => { const f = (): any => f(); f(); }, () => new Array(-1), () => "x".repeat(2 ** 30),
          () => BigInt(1) << BigInt(2 ** 31), () => new ArrayBuffer(2 ** 53), () => JSON.parse("{"), () => decodeURIComponent("%"), () => (null as any).x,
          () => Symbol() + "", () => Object.defineProperty(Object.freeze({}), "a", {}), () => new Intl.NumberFormat("xx-invalid-locale-name-x"), () => new Date(NaN).toISOString(),
          () => structuredClone(() => 1), () => new (globalThis as any).URL("::"), () => atob("*"),
        ];
        for (const [no, one] of raise.entries()) { try { await one(); } catch (thrown) { doors["error " + no] = thrown; } }
        const missing = "no:such"; try { await import(missing); } catch (thrown) { doors.imported = thrown; }
        return tryDoors(doors);
      };`,
    ],
  ],
  { expect: FINDS_NOTHING },
);
