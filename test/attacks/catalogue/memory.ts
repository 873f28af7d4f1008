/** Exhausting memory in every form that is known to pass an isolate's own limit, and those that do not. */
import { type Attack, type AttackLimits, attacksOf } from "../attack.ts";

const LIMITS: AttackLimits = { memoryMb: 64, wallMs: 1_500 };
/** Where the engine refuses the guest may catch it; where it does not, the run ends by a limit. */
const STOPPED = {
  answer: (answer: unknown) => (answer === "caught" ? undefined : "it came to its end"),
  codes: [
    "function_memory_exceeded",
    "function_cpu_exceeded",
    "function_timeout",
    "function_error",
    "result_too_large",
  ],
};

const caught = (body: string): string =>
  `export default async (input: any, ctx: any) => { const g = globalThis as any; try { ${body} } catch { return "caught"; } return "done"; };`;
const raw = (body: string): string =>
  `export default async (input: any, ctx: any) => { const g = globalThis as any; ${body} };`;

const growth: [string, string][] = [
  ["arrays of numbers", raw("const kept = []; for (;;) kept.push(new Array(1_000).fill(1.5));")],
  ["objects after an await", raw("await null; const kept = []; for (;;) kept.push({ at: kept.length });")],
  [
    "join of a sparse array-like",
    raw("const kept = []; for (;;) kept.push(new Array(50_000_000).join('abcdefgh'));"),
  ],
  [
    "join in a loop of short arrays",
    raw("const kept = []; for (;;) kept.push(new Array(1_000_000).fill('xy').join('-'));"),
  ],
  [
    "sort of an array-like of length 2^32 - 1",
    raw("Array.prototype.sort.call({ length: 2 ** 32 - 1, 0: 1, 1: 2 }); return 'done';"),
  ],
  [
    "toSorted and toSpliced of giant array-likes",
    caught("const huge = { length: 2 ** 32 - 2 }; (Array.prototype as any).toSorted.call(huge);"),
  ],
  [
    "concat of arrays that claim to be long",
    raw(
      "let all: any[] = []; const wide = { length: 10_000_000, [Symbol.isConcatSpreadable]: true } as any; for (;;) all = all.concat(wide, new Array(1_000_000).fill(0));",
    ),
  ],
  [
    "flat of nested arrays",
    raw(
      "let deep: any = new Array(1_000).fill(1); for (;;) { deep = [deep, deep, deep, deep]; deep.flat(Infinity); }",
    ),
  ],
  [
    "array holes: sparse arrays of large indices",
    raw(
      "const kept = []; for (let i = 0; ; i++) { const a: any[] = []; for (let k = 0; k < 5_000; k++) a[k * 1_000] = k; kept.push(a); }",
    ),
  ],
  [
    "Array.from of a giant length",
    raw("const kept = []; for (;;) kept.push(Array.from({ length: 5_000_000 }, (_, i) => i));"),
  ],
  [
    "strings by repeat",
    raw("const kept = []; for (;;) kept.push(('x' + kept.length).repeat(1_000_000).split('').join(''));"),
  ],
  [
    "strings by doubling and flattening",
    raw(
      "let s = 'xyz'; const kept = []; for (;;) { s += s; if (s.length > 2 ** 27) s = 'x' + kept.length; s.charCodeAt(s.length - 1); kept.push(/./.exec(s), s); }",
    ),
  ],
  [
    "padStart and padEnd",
    raw(
      "const kept = []; for (let i = 0; ; i++) { const s = ('' + i).padStart(2 ** 24, 'ab'); s.indexOf('zz'); kept.push(s); }",
    ),
  ],
  [
    "replaceAll that multiplies a string",
    raw(
      "let s = 'aaaa'; for (;;) { s = s.replaceAll('a', 'aaaaaaaa'); if (s.length > 2 ** 26) { (g.kept ??= []).push(s); s = 'aaaa'; } }",
    ),
  ],
  [
    "regular expression captures",
    raw(
      "const kept = []; const text = 'ab'.repeat(500_000); for (;;) kept.push([...text.matchAll(/(a)(b)/g)]);",
    ),
  ],
  [
    "split into single characters",
    raw("const kept = []; const text = '\\u4e00x'.repeat(2_000_000); for (;;) kept.push(text.split(''));"),
  ],
  ["BigInt growth", raw("let b = 3n; const kept = []; for (;;) { b = b * b; kept.push(b); }")],
  ["BigInt shifts", caught("const kept = []; for (;;) kept.push(1n << 500_000_000n);")],
  ["a Map", raw("const kept = new Map(); for (let i = 0; ; i++) kept.set(i, i);")],
  ["a Set of strings", raw("const kept = new Set(); for (let i = 0; ; i++) kept.add('key ' + i);")],
  [
    "a WeakMap with live keys",
    raw(
      "const keys = []; const map = new WeakMap(); for (;;) { const key = {}; keys.push(key); map.set(key, new Array(10)); }",
    ),
  ],
  ["symbols in the registry", raw("for (let i = 0; ; i++) Symbol.for('symbol ' + i + 'x'.repeat(1_000));")],
  [
    "properties: dictionaries with ever new names",
    raw("const kept: any = {}; for (let i = 0; ; i++) kept['name' + i] = i;"),
  ],
  [
    "hidden classes and functions",
    raw(
      "const kept = []; for (let i = 0; ; i++) kept.push(new Function('a' + i, 'return a' + i + ' + ' + i));",
    ),
  ],
  [
    "closures over large scopes",
    raw(
      "const kept: any[] = []; const make = (n: number) => { const big = new Array(10_000).fill(n); return () => big.length; }; for (let i = 0; ; i++) kept.push(make(i));",
    ),
  ],
  [
    "generators held in mid-run",
    raw(
      "const kept = []; function* one(): any { const a = new Array(100).fill(1); yield a; yield a; } for (;;) { const it = one(); it.next(); kept.push(it); }",
    ),
  ],
  [
    "promises that never settle",
    raw("const kept = []; for (;;) kept.push(new Promise(() => {}).then(() => kept.length));"),
  ],
  ["array buffers, kept", caught("const kept = []; for (;;) kept.push(new Uint8Array(4_000_000).fill(1));")],
  ["array buffers, dropped at once", raw("for (;;) new Uint8Array(8_000_000).fill(1);")],
  ["array buffers, one too large", caught("new Uint8Array(2 ** 31).fill(1);")],
  [
    "array buffers by slice, transfer and structuredClone",
    caught(
      "const kept: any[] = []; let b = new ArrayBuffer(4_000_000); new Uint8Array(b).fill(7); for (;;) { kept.push(b.slice(0), g.structuredClone?.(b) ?? b.slice(0)); b = b.transfer(4_000_000); kept.push(new Float64Array(400_000).fill(1.5)); }",
    ),
  ],
  [
    "typed arrays from iterables",
    caught("const kept = []; for (;;) kept.push(Float64Array.from({ length: 1_000_000 }, (_, i) => i));"),
  ],
  [
    "resizable buffers by every door",
    caught(
      "const made: any[] = []; const doors: (() => any)[] = [() => new ArrayBuffer(8, { maxByteLength: 2 ** 30 } as any), () => Reflect.construct(ArrayBuffer, [8, { maxByteLength: 2 ** 30 }]), () => new (new Uint8Array(8).buffer.constructor as any)(8, { maxByteLength: 2 ** 30 }), () => new (class extends (ArrayBuffer as any) {})(8, { maxByteLength: 2 ** 30 }), () => Reflect.construct(ArrayBuffer, [8, { maxByteLength: 2 ** 30 }], Object), () => g.structuredClone(new ArrayBuffer(8), { maxByteLength: 2 ** 30 }), () => (new ArrayBuffer(8) as any).transfer(8, { maxByteLength: 2 ** 30 }), () => new (ArrayBuffer as any)[Symbol.species](8, { maxByteLength: 2 ** 30 })]; for (const door of doors) { try { const b = door(); if (b.resizable) { made.push(b); b.resize(2 ** 30); new Uint8Array(b).fill(1); } } catch {} } if (made.length === 0) return 'caught';",
    ),
  ],
  [
    "WebAssembly memories",
    caught(
      "const W = g.WebAssembly ?? (0, eval)('WebAssembly'); const kept = []; for (;;) { const m = new W.Memory({ initial: 1_000 }); new Uint8Array(m.buffer).fill(1); kept.push(m); }",
    ),
  ],
  [
    "shared array buffers",
    caught(
      "const kept = []; const S = g.SharedArrayBuffer ?? (0, eval)('SharedArrayBuffer'); for (;;) kept.push(new Uint8Array(new S(8_000_000)).fill(1));",
    ),
  ],
  [
    "JSON.stringify growth",
    raw(
      "let value: any = ['x'.repeat(1_000)]; const kept = []; for (;;) { value = [value, value]; kept.push(JSON.stringify(value)); if (kept.at(-1)!.length > 2 ** 26) value = [kept.length]; }",
    ),
  ],
  [
    "JSON.parse growth",
    raw(
      "const text = '[' + '[],'.repeat(300_000) + '0]'; const kept = []; for (;;) kept.push(JSON.parse(text));",
    ),
  ],
  [
    "deep recursion that holds its frames",
    raw(
      "const dive = (n: number, kept: any[]): any => { kept.push(new Array(1_000).fill(n)); try { return dive(n + 1, kept); } catch { return dive(0, kept); } }; return dive(0, []);",
    ),
  ],
  [
    "structuredClone growth",
    caught(
      "let value: any = new Array(10_000).fill({ a: 1 }); const kept: any[] = []; for (;;) { value = g.structuredClone(value); kept.push(value); kept.push(g.structuredClone({ kept: value, again: [value] })); }",
    ),
  ],
  [
    "Blobs of Blobs",
    caught(
      "let blob = new g.Blob(['x'.repeat(1_000_000)]); const kept: any[] = []; for (;;) { kept.push(await new g.Blob([blob, blob]).arrayBuffer()); }",
    ),
  ],
  [
    "FormData growth",
    caught(
      "const form = new g.FormData(); for (let i = 0; ; i++) { form.append('name' + i, 'x'.repeat(10_000)); if (i % 1_000 === 0) await new g.Response(form).text(); }",
    ),
  ],
  [
    "a stream that is never read",
    caught(
      "const s = new g.ReadableStream({ start(c: any) { for (;;) c.enqueue(new Uint8Array(1_000_000).fill(1)); } }); await s.getReader().read();",
    ),
  ],
  [
    "tee of a stream, one side read",
    caught(
      "let n = 0; const s = new g.ReadableStream({ pull(c: any) { c.enqueue(new Uint8Array(1_000_000).fill(n++)); } }); const [a] = s.tee(); const r = a.getReader(); for (;;) await r.read();",
    ),
  ],
  [
    "TextEncoder and TextDecoder growth",
    caught(
      "const kept: any[] = []; const d = new g.TextDecoder(), e = new g.TextEncoder(); const text = '\\u4e00'.repeat(1_000_000); for (;;) { const b = e.encode(text); kept.push(b, d.decode(b)); }",
    ),
  ],
  [
    "URLs with giant queries",
    caught(
      "const kept: any[] = []; for (let i = 0; ; i++) { const u = new g.URL('https://example.com/'); u.search = ('\\u00e9' + i).repeat(200_000); kept.push(u, u.searchParams.toString(), u.href); }",
    ),
  ],
  [
    "URLPattern growth",
    caught(
      "const kept: any[] = []; for (let i = 0; ; i++) kept.push(new g.URLPattern({ pathname: '/:a' + i + '/*' + '(.*)'.repeat(200) }));",
    ),
  ],
  [
    "a decompression bomb",
    caught(
      "const zeros = new Uint8Array(1_000_000); const packed = await new g.Response(new g.Blob(new Array(40).fill(zeros)).stream().pipeThrough(new g.CompressionStream('gzip'))).arrayBuffer(); const kept: any[] = []; for (;;) kept.push(await new g.Response(new g.Blob([packed]).stream().pipeThrough(new g.DecompressionStream('gzip'))).arrayBuffer());",
    ),
  ],
  [
    "a compression of endless input",
    caught(
      "const s = new g.ReadableStream({ pull(c: any) { c.enqueue(g.crypto.getRandomValues(new Uint8Array(65_536))); } }); const kept: any[] = []; const r = s.pipeThrough(new g.CompressionStream('deflate')).getReader(); for (;;) kept.push((await r.read()).value);",
    ),
  ],
  [
    "event listeners and abort signals",
    caught(
      "const t = new g.EventTarget(); const kept: any[] = []; for (let i = 0; ; i++) { t.addEventListener('e' + i, () => i); kept.push(g.AbortSignal.any([new g.AbortController().signal])); }",
    ),
  ],
  [
    "performance marks",
    caught(
      "if (!g.performance?.mark) throw 0; for (let i = 0; ; i++) g.performance.mark('mark ' + i, { detail: 'x'.repeat(1_000) });",
    ),
  ],
  [
    "crypto keys and digests kept on the other side",
    caught(
      "const kept: any[] = []; for (;;) { const made = []; for (let i = 0; i < 50; i++) made.push(g.crypto.subtle.importKey('raw', new Uint8Array(1_000_000).fill(i), 'HKDF', false, ['deriveBits'])); kept.push(...await Promise.all(made)); }",
    ),
  ],
  ["a result of 100 MB", raw("return 'x'.repeat(100_000_000);")],
  [
    "a result of a million keys",
    raw("return Object.fromEntries(Array.from({ length: 150_000 }, (_, i) => ['key ' + i, i]));"),
  ],
  [
    "a result whose toJSON grows",
    raw(
      "let n = 0; const grow = (): any => ({ toJSON() { n++; return [grow(), 'x'.repeat(1_000)]; } }); return grow();",
    ),
  ],
  ["an error with a message of 100 MB", raw("throw new Error('x'.repeat(100_000_000));")],
  [
    "an error with a million errors and a long chain of causes",
    raw(
      "let cause: any; for (let i = 0; i < 20_000; i++) cause = new Error('c' + i, { cause }); throw new AggregateError(new Array(300_000).fill(cause), 'many', { cause });",
    ),
  ],
  [
    "log fields of 50 MB, again and again",
    raw(
      "for (let i = 0; i < 20; i++) ctx.log.info('x'.repeat(1_000_000), { big: 'y'.repeat(50_000_000) }); return 'caught';",
    ),
  ],
  [
    "log fields that are a tree of 2^24 leaves",
    raw(
      "let tree: any = 1; for (let i = 0; i < 24; i++) tree = [tree, tree]; ctx.log.info('tree', { tree }); console.log(tree); return 'caught';",
    ),
  ],
  [
    "an input of a megabyte, multiplied",
    raw("const kept: any[] = []; for (;;) kept.push(JSON.parse(JSON.stringify(input)));"),
  ],
];

export const memory: Attack[] = attacksOf(
  growth.map(([name, source]) => [name, source] as [string, string]),
  { limits: LIMITS, expect: STOPPED },
).map((attack) =>
  attack.name.includes("an input of")
    ? { ...attack, inputs: [{ rows: new Array(20_000).fill("x".repeat(40)) }] }
    : attack,
);
