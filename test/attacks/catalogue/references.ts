/** Host objects that leak into the guest: every graph searched, every built-in the bridge could call replaced by a spy. */
import { builtinModules } from "node:module";
import { type Attack, attacksOf, FINDS_NOTHING } from "../attack.ts";

const SEARCH = 'import { searchHost } from "./probe.ts";\n';
/** What makes the guest's runtime and the bridge work for a moment. */
const STIR = `
async function stir(ctx: any) {
  ctx.log.info("stir", { a: [1, { b: 2 }] });
  console.log("%s %o", "x", { y: 1 });
  ctx.waitUntil(Promise.resolve(1));
  ctx.waitUntil(Promise.reject(new Error("background")));
  await new Promise((resolve) => setTimeout(resolve, 1));
  queueMicrotask(() => {});
  const g = globalThis as any;
  const tries = [
    () => g.fetch("http://127.0.0.1:9/", { method: "POST", body: "x", headers: { a: "b" } }).catch(() => {}),
    () => g.crypto.subtle.digest("SHA-256", new Uint8Array(8)),
    () => g.crypto.getRandomValues(new Uint8Array(8)),
    () => new g.URL("http://ex\\u00e4mple.com/").href,
    () => new g.Response("body").text(),
    () => g.structuredClone({ a: new Map([[1, 2]]) }),
  ];
  for (const one of tries) { try { await one(); } catch {} }
}
`;
/** Replaces methods of the holders by spies that pass the call on and keep what they saw. */
const SPY = `
const seen: any = {};
let count = 0;
const { apply, ownKeys } = Reflect;
const { defineProperty, getOwnPropertyDescriptor } = Object;
const keep = (how: string, value: unknown) => { if (count < 4_000 && ((typeof value === "object" && value !== null) || typeof value === "function" || typeof value === "string")) seen[how + " " + count++] = value; };
function spyOn(holder: any, label: string) {
  for (const key of ownKeys(holder)) {
    const real = getOwnPropertyDescriptor(holder, key)?.value;
    if (typeof real !== "function" || key === "constructor" || /^[A-Z]|^eval$/.test(String(key))) continue;
    try {
      defineProperty(holder, key, { configurable: true, writable: true, value: function (this: unknown, ...args: unknown[]) {
        keep(label + String(key) + " this", this);
        for (let i = 0; i < args.length; i++) keep(label + String(key) + " argument", args[i]);
        return apply(real, this, args);
      } });
    } catch {}
  }
}
`;

const spied = (name: string, holders: string): [string, string] => [
  name,
  `${SEARCH}${SPY}${STIR}export default async (_: unknown, ctx: any) => {
    const holders: [any, string][] = ${holders};
    for (const [holder, label] of holders) spyOn(holder, label);
    await stir(ctx);
    return searchHost(seen);
  };`,
];

export const references: Attack[] = [
  ...attacksOf(
    [
      [
        "a host's object anywhere among the globals",
        `${SEARCH}export default () => searchHost({ globalThis });`,
      ],
      [
        "a host's object in what node: modules hold, or in what they throw",
        `${SEARCH}const NAMES = ${JSON.stringify(builtinModules)};
        export default async () => {
          const seen: any = {};
          let no = 0;
          for (const name of NAMES) {
            try { seen[name] = await import(name + ""); } catch (thrown) { seen["thrown " + name] = thrown; }
            for (const key of Object.keys(seen[name] ?? {})) {
              if (/^[a-z]/.test(key) && no < 3_000) try { seen["answer " + no++] = seen[name][key](); } catch (thrown) { seen["thrown " + no++] = thrown; }
            }
          }
          return searchHost(seen);
        };`,
      ],
      [
        "a host's process, environment or paths in the guest's process",
        `export default (_: unknown, ctx: any) => {
          const g = globalThis as any;
          const found = ["pid", "ppid", "kill", "exit", "abort", "dlopen", "binding", "mainModule", "memoryUsage", "resourceUsage", "report"].filter((name) => g.process[name] !== undefined);
          for (const [name, value] of Object.entries(g.process)) if (typeof value === "string" && /[/\\\\]/.test(value)) found.push(name);
          return found.concat(Object.keys(g.process.env));
        };`,
      ],
      [
        "a host's object in the input, the context or the arguments",
        `${SEARCH}export default function () { return searchHost({ all: arguments, first: arguments[0], ctx: arguments[1], more: [...arguments].slice(2) }); };`,
      ],
      [
        "a host's object in the errors of every call of the web's API",
        `${SEARCH}export default async () => {
        const g = globalThis as any;
        const seen: any = {};
        let no = 0;
        const add = (value: unknown) => { seen["value " + no++] = value; };
        const bad = [undefined, null, Symbol("x"), {}, "x:/", -1, () => {}, new Proxy({}, {})];
        for (const name of ["fetch", "structuredClone", "atob", "btoa", "reportError", "queueMicrotask", "URL", "Request", "Response", "Headers", "Blob", "TextDecoder", "ReadableStream", "CompressionStream", "DecompressionStream", "URLPattern"]) {
          const made = g[name];
          if (typeof made !== "function" || name === "reportError") continue;
          for (const one of bad) {
            try { const answer = /^[a-z]/.test(name) ? made(one) : new made(one, one); add(answer); if (answer?.then) answer.then(add, add); } catch (thrown) { add(thrown); }
          }
        }
        const subtle = g.crypto?.subtle;
        if (subtle) for (const name of ["digest", "encrypt", "importKey", "generateKey", "deriveBits", "sign"]) for (const one of bad) {
          try { subtle[name](one, one, one, one, one).then(add, add); } catch (thrown) { add(thrown); }
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
        return searchHost(seen);
      };`,
      ],
      spied("spies on Function.prototype.call, apply and bind", '[[Function.prototype, "Function#"]]'),
      spied(
        "spies on Reflect, Object and JSON",
        '[[Reflect, "Reflect."], [Object, "Object."], [JSON, "JSON."]]',
      ),
      spied(
        "spies on Map, Set, WeakMap and Array methods",
        '[[Map.prototype, "Map#"], [Set.prototype, "Set#"], [WeakMap.prototype, "WeakMap#"], [WeakRef.prototype, "WeakRef#"], [Array.prototype, "Array#"]]',
      ),
      spied("spies on Promise and its prototype", '[[Promise.prototype, "Promise#"], [Promise, "Promise."]]'),
      spied(
        "spies on String, RegExp, Number, Date and typed array methods",
        '[[String.prototype, "String#"], [RegExp.prototype, "RegExp#"], [Number, "Number."], [Date, "Date."], [Date.prototype, "Date#"], [Uint8Array.prototype, "Uint8Array#"], [Object.getPrototypeOf(Uint8Array.prototype), "TypedArray#"], [ArrayBuffer.prototype, "ArrayBuffer#"]]',
      ),
      spied("spies in the place of global functions", '[[globalThis, "globalThis."]]'),
      [
        "setters on Object.prototype that catch what the bridge assigns",
        `${SEARCH}${STIR}export default async (_: unknown, ctx: any) => {
        const seen: any = Object.create(null);
        let no = 0;
        const names = ["0", "1", "2", "t", "id", "no", "code", "text", "kind", "then", "resolve", "reject", "callback", "run", "host", "send", "value", "get", "set", "done", "next", "message", "stack", "name", "ended", "lines", "signal", "bytes", "controller", "enter", "log", "url", "head", "key", "handle", "result", "error"];
        for (const name of names) {
          Object.defineProperty(Object.prototype, name, { __proto__: null, configurable: true, get() { if (no < 4000) seen["get " + name + no++] = this; return undefined; }, set(value) {
            if (no < 4000) { seen["set " + name + no++] = this; seen["value " + name + no++] = value; }
            Object.defineProperty(this, name, { __proto__: null, value, writable: true, configurable: true, enumerable: true } as any);
          } } as any);
        }
        try { await stir(ctx); } catch {}
        for (const name of names) delete (Object.prototype as any)[name];
        return searchHost(seen);
      };`,
      ],
      [
        "setters on Array.prototype's numbers that catch what the bridge appends",
        `${SEARCH}${STIR}export default async (_: unknown, ctx: any) => {
        const seen: any = Object.create(null);
        let no = 0;
        for (let i = 0; i < 6; i++) Object.defineProperty(Array.prototype, i, { configurable: true, get() { return undefined; }, set(value) { if (no < 4000) { seen["this " + no++] = this; seen["value " + no++] = value; } Object.defineProperty(this, i, { value, writable: true, configurable: true, enumerable: true }); } });
        try { await stir(ctx); } catch {}
        for (let i = 0; i < 6; i++) delete (Array.prototype as any)[i];
        return searchHost(seen);
      };`,
      ],
      [
        "Promise.prototype.then and Symbol.species, to be handed the run's own continuations",
        `${SEARCH}${STIR}export default async (_: unknown, ctx: any) => {
        const seen: any = {};
        let no = 0;
        const keep = (...values: unknown[]) => { for (const value of values) if (no < 2000) seen["got " + no++] = value; };
        const real = Promise.prototype.then;
        Promise.prototype.then = function (this: any, ...args: any[]) { keep(this, ...args); return Reflect.apply(real, this, args) as any; };
        class Spy extends Promise<any> { constructor(work: any) { super((resolve, reject) => { keep(resolve, reject, work); work(resolve, reject); }); } }
        Object.defineProperty(Promise, Symbol.species, { configurable: true, get: () => Spy });
        Object.defineProperty(Promise.prototype, "constructor", { configurable: true, get: () => Spy });
        try { await stir(ctx); } catch {}
        return searchHost(seen);
      };`,
      ],
      [
        "iterators and species of arrays that the bridge spreads",
        `${SEARCH}${STIR}export default async (_: unknown, ctx: any) => {
        const seen: any = {};
        let no = 0;
        const real = Array.prototype[Symbol.iterator];
        Array.prototype[Symbol.iterator] = function (this: any) { if (no < 2000) seen["iterated " + no++] = this; return Reflect.apply(real, this, []); } as any;
        Object.defineProperty(Array, Symbol.species, { configurable: true, get() { if (no < 2000) seen["species " + no++] = this; return Array; } });
        const iteratorProto = Object.getPrototypeOf(Reflect.apply(real, [], []));
        const next = iteratorProto.next;
        iteratorProto.next = function () { const step = Reflect.apply(next, this, []); if (no < 2000) seen["step " + no++] = step.value; return step; };
        try { await stir(ctx); } catch {}
        return searchHost(seen);
      };`,
      ],
      [
        "Symbol.hasInstance, toPrimitive and toStringTag, called by the bridge",
        `${SEARCH}${STIR}export default async (_: unknown, ctx: any) => {
        const seen: any = {};
        let no = 0;
        for (const kind of [Error, Promise, Function, Object, Array]) Object.defineProperty(kind, Symbol.hasInstance, { configurable: true, value(other: unknown) { if (no < 2000) { seen["tested " + no++] = other; seen["by " + no++] = this; } return false; } });
        const odd = { [Symbol.toPrimitive](...args: unknown[]) { seen["primitive " + no++] = args; return "x"; }, get [Symbol.toStringTag]() { return "Promise"; } };
        console.log(odd, [odd]);
        ctx.log.info(odd, { odd });
        try { await stir(ctx); } catch {}
        for (const kind of [Error, Promise, Function, Object, Array]) delete (kind as any)[Symbol.hasInstance];
        return searchHost(seen);
      };`,
      ],
      [
        "FinalizationRegistry and WeakRef, to hold what the runtime lets go",
        `${SEARCH}const seen: any = {};
      let no = 0;
      const registry = new FinalizationRegistry((held) => { seen["held " + no++] = held; });
      export default async (_: unknown, ctx: any) => {
        for (const one of [ctx, ctx.log, ctx.env, ctx.log.info, console, setTimeout]) registry.register(one, { of: no });
        const weak = new WeakRef(ctx);
        for (let i = 0; i < 200; i++) { new Array(10_000).fill(i); if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1)); }
        return searchHost({ seen, weak: weak.deref() });
      };`,
      ],
      [
        "host frames in stacks, before and after awaits, timers and background work",
        `const FOREIGN = /node:|isolated[-_]vm\\/|\\.node\\b|file:|\\/(root|home|usr|tmp|app|opt|runtime|executor|sandbox)\\//;
      export default async (_: unknown, ctx: any) => {
        Error.stackTraceLimit = 1_000;
        const stacks: string[] = [];
        const look = () => stacks.push(new Error("look").stack!);
        look();
        await null; look();
        await new Promise((resolve) => setTimeout(() => { look(); resolve(0); }, 1)); look();
        await new Promise((resolve) => queueMicrotask(() => { look(); resolve(0); }));
        ctx.log.info("x", { toJSON: look });
        try { (setTimeout as any)("text"); } catch (thrown: any) { stacks.push(thrown.stack); }
        try { await (globalThis as any).fetch("http://127.0.0.1:9/"); } catch (thrown: any) { stacks.push(thrown.stack, String(thrown.cause?.stack), String(thrown.cause)); }
        try { await (globalThis as any).crypto.subtle.importKey("raw", new Uint8Array(1), { name: "AES-GCM" }, false, ["encrypt"]); } catch (thrown: any) { stacks.push(thrown.stack); }
        console.trace("here");
        return stacks.filter((stack) => FOREIGN.test(stack));
      };`,
      ],
    ],
    { expect: FINDS_NOTHING },
  ),
  {
    name: "the callbacks that a thenable result is given",
    source: `${SEARCH}let seen: any = { none: 1 };
      export default (input: string) => {
        if (input === "look") return searchHost(seen);
        return { then(...given: any[]) { seen = { given, caller: attempt(() => given[0].caller), arguments: attempt(() => given[0].arguments) }; given[0](1); } };
        function attempt(work: () => unknown) { try { return work(); } catch (thrown) { return thrown; } }
      };`,
    inputs: [null, "look"],
    expect: FINDS_NOTHING,
  },
];
