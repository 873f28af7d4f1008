/** Built-ins replaced before the runtime's own code uses them: to lift its limits, forge its messages, break its host. */
import type { Json } from "../../../core/json.ts";
import type { Attack, LogLine } from "../attack.ts";

const fn = (body: string): string =>
  `export default async (input: any, ctx: any) => { const g = globalThis as any; ${body} };`;
/** A run that breaks its own built-ins may break itself, by these, and nothing else. */
const OWN_FAULT = ["function_error", "result_not_json", "function_timeout", "function_memory_exceeded"];
const WAIT = "await new Promise((resolve) => setTimeout(resolve, 2));";

/** Whatever it makes of its own answer and lines is its own affair; that they stay within bounds is ours. */
function bounded(_answer: Json, lines: LogLine[]): string | undefined {
  return lines.length > 1_001 ? `${lines.length} lines were kept` : undefined;
}
const poison = (name: string, body: string, limits: Attack["limits"] = { wallMs: 1_000 }): Attack => ({
  name: name,
  source: fn(body),
  limits,
  expect: { answer: bounded, codes: OWN_FAULT },
});

export const poisoning: Attack[] = [
  poison(
    "JSON.stringify and JSON.parse",
    `JSON.stringify = () => '"forged"'; JSON.parse = () => 'forged' as any; console.log({ a: 1 }); return { true: 1 };`,
  ),
  poison(
    "Promise.prototype.then, catch and finally",
    `const p = Promise.prototype as any; p.then = function (f: any) { f?.('forged'); return this; }; p.catch = p.finally = p.then; console.log('x'); ${WAIT} return 1;`,
  ),
  poison(
    "Promise.resolve, Promise itself and its species",
    `const P: any = Promise; P.resolve = () => ({ then(f: any) { f('forged'); } }); g.Promise = class { then() {} }; Object.defineProperty(P, Symbol.species, { get() { return g.Promise; } }); return 1;`,
  ),
  poison(
    "Object.prototype with the names of the messages",
    `const o: any = Object.prototype; for (const name of ['t', 'id', 'code', 'result', 'text', 'ok', 'recycle', 'droppedLines', 'reused', 'no', 'kind', 'level', 'fields']) o[name] = 'forged'; console.log('x', {}); return 1;`,
  ),
  poison(
    "Object.prototype.then, so that everything is a thenable",
    `(Object.prototype as any).then = function (resolve: any) { resolve('forged'); }; console.log('x'); return {};`,
  ),
  poison(
    "Object.prototype.toJSON",
    `(Object.prototype as any).toJSON = () => 'x'; (String.prototype as any).toJSON = () => 'y'; ctx.log.info('a', { b: 1 }); return { c: 1 };`,
  ),
  poison(
    "getters with numbers on Object.prototype and Array.prototype",
    `for (let i = 0; i < 20; i++) for (const o of [Object.prototype, Array.prototype]) Object.defineProperty(o, i, { __proto__: null, get() { return 'forged'; }, set() {}, configurable: true } as any); console.log('a', 'b'); ctx.waitUntil(Promise.resolve()); ${WAIT} return [1];`,
  ),
  poison(
    "Object.prototype.get, set and value, which spoil descriptors",
    `(Object.prototype as any).get = () => 'forged'; (Object.prototype as any).value = 1; (Object.prototype as any).writable = false; console.log('x'); setTimeout(() => {}, 1); return 1;`,
  ),
  poison(
    "Array.prototype[Symbol.iterator] and the iterator's next",
    `const proto: any = Object.getPrototypeOf([][Symbol.iterator]()); proto.next = () => ({ done: false, value: 'forged' }); (Array.prototype as any)[Symbol.iterator] = function () { return proto; }; console.log('a', 1); setTimeout(() => {}, 1, 2); return 1;`,
  ),
  poison(
    "Function.prototype.call, apply and bind",
    `const f: any = Function.prototype; f.call = f.apply = f.bind = () => 'forged'; console.log('x'); ${WAIT} return 1;`,
  ),
  poison(
    "Reflect, whole",
    `for (const key of Reflect.ownKeys(Reflect)) (Reflect as any)[key] = () => 'forged'; console.log('x'); ${WAIT} return 1;`,
  ),
  poison(
    "Map.prototype, so that timers and counters are lost",
    `const m: any = Map.prototype; m.get = m.set = m.delete = m.has = m.forEach = m.clear = () => 'forged'; for (let i = 0; i < 5_000; i++) { try { setTimeout(() => {}, 1); } catch { break; } } ${WAIT} return 1;`,
  ),
  poison(
    "WeakMap, WeakRef and Set",
    `for (const C of [WeakMap, Set, WeakRef]) for (const key of Reflect.ownKeys(C.prototype)) { try { (C.prototype as any)[key] = () => 'forged'; } catch {} } console.log('x'); ${WAIT} return 1;`,
  ),
  poison(
    "String.prototype, which measures lines",
    `const s: any = String.prototype; for (const key of ['slice', 'substring', 'charCodeAt', 'codePointAt', 'length', 'replace', 'split']) { try { s[key] = () => 'forged'; } catch {} } for (let i = 0; i < 3; i++) console.log('z'.repeat(100_000)); return 1;`,
  ),
  poison(
    "RegExp.prototype[Symbol.replace] and exec, which format lines",
    `const r: any = RegExp.prototype; r[Symbol.replace] = () => 'forged'; r.exec = () => ['forged']; console.log('%s and %d', 'a', 1); return 1;`,
  ),
  poison(
    "Date.now and performance.now, set back and forward",
    `Date.now = () => -1e15; if (g.performance) g.performance.now = () => NaN; setTimeout(() => {}, 10); console.log('x'); ${WAIT} Date.now = () => 9e15; await new Promise((resolve) => setTimeout(resolve, 5)); return 1;`,
  ),
  poison(
    "Math and Number, which count and round",
    `for (const o of [Math, Number] as any[]) for (const key of Reflect.ownKeys(o)) { try { if (typeof o[key] === 'function' && key !== 'prototype') o[key] = () => Infinity; } catch {} } for (let i = 0; i < 1_500; i++) console.log('line'); setTimeout(() => {}, 1); return 1;`,
  ),
  poison(
    "Error, its prototype, captureStackTrace and Symbol.hasInstance",
    `g.Error = function () { return 'forged'; }; Object.defineProperty(Error, Symbol.hasInstance, { value: () => true }); console.error(new TypeError('x')); throw new TypeError('real');`,
  ),
  poison(
    "globalThis: every function of it",
    `for (const key of Reflect.ownKeys(globalThis)) { try { if (typeof g[key] === 'function') g[key] = () => 'forged'; } catch {} } return 1;`,
  ),
  poison(
    "globalThis: every name deleted",
    `for (const key of Reflect.ownKeys(globalThis)) { try { delete g[key]; } catch {} } ctx.log.info('still here'); return 1;`,
  ),
  poison(
    "everything frozen",
    `const seen = new Set<any>(); const freeze = (o: any) => { if ((typeof o !== 'object' && typeof o !== 'function') || o === null || seen.has(o)) return; seen.add(o); try { Object.freeze(o); } catch {} for (const key of Reflect.ownKeys(o)) { try { freeze(Object.getOwnPropertyDescriptor(o, key)!.value); } catch {} } freeze(Object.getPrototypeOf(o)); }; freeze(globalThis); freeze(ctx); console.log('x'); ${WAIT} return 1;`,
  ),
  poison(
    "the context: its own methods and env replaced",
    `try { ctx.log = { info() {} }; ctx.env = { A: 'forged' }; ctx.runId = 'forged'; } catch {} try { ctx.env.B = 'forged-b'; } catch {} console.log('x'); return Object.keys(ctx.env).length;`,
  ),
  poison(
    "symbols: isConcatSpreadable, match, split, unscopables",
    `for (const [C, keys] of [[Array, ['isConcatSpreadable', 'iterator', 'unscopables']], [String, ['iterator']], [RegExp, ['match', 'matchAll', 'split', 'search']]] as any[]) for (const key of keys) { try { Object.defineProperty(C.prototype, (Symbol as any)[key], { value: () => 'forged', configurable: true }); } catch {} } console.log('%s', 'a', [1]); return [1];`,
  ),
  poison(
    "streams: the controllers and readers of responses",
    `if (g.ReadableStream) { for (const C of [g.ReadableStream, g.ReadableStreamDefaultReader, g.ReadableStreamDefaultController, g.WritableStream, g.TransformStream]) for (const key of Reflect.ownKeys(C.prototype)) { try { if (key !== 'constructor') C.prototype[key] = () => { throw new Error('poisoned'); }; } catch {} } try { await g.fetch('http://127.0.0.1:9/'); } catch {} } return 1;`,
  ),
  poison(
    "typed arrays, array buffers and views, which carry bytes",
    `for (const C of [ArrayBuffer, Uint8Array, DataView, Object.getPrototypeOf(Uint8Array)] as any[]) for (const key of Reflect.ownKeys(C.prototype)) { try { if (key !== 'constructor') Object.defineProperty(C.prototype, key, { __proto__: null, get() { return 2 ** 40; }, configurable: true } as any); } catch {} } try { await g.crypto.subtle.digest('SHA-256', new Uint8Array(8)); } catch {} try { await g.fetch('http://127.0.0.1:9/', { method: 'POST', body: new Uint8Array(8) }); } catch {} return 1;`,
  ),
  {
    name: "a failure made a success by properties of Object.prototype",
    source: fn(
      `const o: any = Object.prototype; o.code = 'ok'; o.result = '1'; o.text = '1'; o.ended = true; o.toJSON = () => 'forged'; throw new Error('the truth');`,
    ),
    expect: { codes: ["function_error"] },
  },
  {
    name: "removed globals by delete, define, assign, setPrototypeOf and eval",
    source: fn(`const names = ['WebAssembly', 'SharedArrayBuffer', 'Atomics']; const found: string[] = [];
      for (const name of names) {
        for (const bring of [() => { delete g[name]; }, () => { g[name] = 1; delete g[name]; }, () => { Object.defineProperty(g, name, { value: 1, configurable: true }); delete g[name]; }, () => { Reflect.deleteProperty(g, name); }, () => { Object.setPrototypeOf(g, Object.create(Object.getPrototypeOf(g))); }]) { try { bring(); } catch {} }
        if ((0, eval)('typeof ' + name) !== 'undefined' || name in g) found.push(name);
      }
      for (const value of [Object.getOwnPropertyNames(g).map((name) => g[name])].flat()) if (value && names.includes(value.name)) found.push('through ' + value.name);
      return found;`),
    expect: { answer: { equal: [] } },
  },
  {
    name: "a poisoned run followed by an honest one in the same isolate",
    source: `let calls = 0; export default async (input: any, ctx: any) => { calls++; if (input === 'poison') { (Object.prototype as any).code = 'ok'; JSON.stringify = (() => '"forged"') as any; Promise.prototype.then = (() => 'forged') as any; Map.prototype.get = () => undefined; (Array.prototype as any).push = () => 0; throw new Error('poisoned'); } return { calls, input }; };`,
    inputs: ["poison", "honest"],
    expect: { answer: bounded, codes: OWN_FAULT },
  },
];
