/** Burning processor time: where V8 looks for an interrupt, where it does not, and on other threads. */
import { type Attack, type AttackLimits, attacksOf } from "../attack.ts";

const LIMITS: AttackLimits = { memoryMb: 64, wallMs: 400 };
const STOPPED = {
  answer: (answer: unknown) => (answer === "refused" ? undefined : "it came to its end"),
  codes: ["function_timeout", "function_cpu_exceeded", "function_memory_exceeded"],
};

const raw = (body: string): string =>
  `export default async (_: unknown, ctx: any) => { const g = globalThis as any; ${body} };`;
/** What the platform refuses at once is refused for good. */
const refused = (body: string): string => raw(`try { ${body} } catch { return "refused"; } return "done";`);

const burners: [string, string][] = [
  ["while (true)", raw("while (true) {}")],
  ["a loop in the module's body", "export default () => 1;\nfor (;;);"],
  [
    "a loop in a class field that the module's body makes",
    "class A { static x = (() => { for (;;); })(); }\nexport default () => A;",
  ],
  [
    "a loop that catches everything",
    raw("for (;;) { try { for (;;) { (null as any).x; } } catch { continue; } finally { continue; } }"),
  ],
  [
    "a BigInt multiplication that V8 does not interrupt",
    raw("let b = 3n; for (;;) { b = b * b; if (b > 1n << 20_000_000n) b = 3n; }"),
  ],
  ["BigInt powers", raw("for (;;) 7n ** 3_000_000n;")],
  ["BigInt to text and back", raw("const b = 7n ** 500_000n; for (;;) BigInt(b.toString());")],
  ["fill of an array-like of length 2^53 - 1", raw("Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 0);")],
  ["indexOf over a giant array-like", raw("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);")],
  ["includes over a giant array-like", raw("Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1);")],
  ["reverse of a giant array-like", raw("Array.prototype.reverse.call({ length: 2 ** 53 - 1 });")],
  [
    "lastIndexOf, copyWithin and unshift over giant array-likes",
    raw(
      "try { Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0); } catch {} Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1); Array.prototype.unshift.call({ length: 2 ** 53 - 2 }, 1);",
    ),
  ],
  [
    "typed arrays filled and searched",
    raw(
      "const big = new Float64Array(2_000_000); for (;;) { big.fill(1); big.indexOf(2); big.sort(); big.reverse(); }",
    ),
  ],
  [
    "String.prototype.indexOf over long strings",
    raw("const hay = 'a'.repeat(2 ** 24), pin = 'a'.repeat(2 ** 20) + 'b'; for (;;) hay.indexOf(pin);"),
  ],
  [
    "String.prototype.replaceAll over long strings",
    raw("const hay = 'ab'.repeat(2 ** 20); for (;;) hay.replaceAll('ab', 'ba');"),
  ],
  [
    "normalize, localeCompare and toLocaleUpperCase",
    raw(
      "const text = '\\u1e9b\\u0323'.repeat(2 ** 18); for (;;) { text.normalize('NFKD'); text.localeCompare(text + 'x'); text.toLocaleUpperCase('tr'); }",
    ),
  ],
  [
    "Intl formatting and segmenting",
    raw(
      "const s = new Intl.Segmenter('th', { granularity: 'word' }); for (;;) [...s.segment('\\u0e01\\u0e32'.repeat(10_000))].length;",
    ),
  ],
  [
    "JSON.parse of the same text",
    raw("const text = '[' + '1,'.repeat(2_000_000) + '1]'; for (;;) JSON.parse(text);"),
  ],
  [
    "JSON.stringify of an array-like with getters",
    raw(
      "const odd = { get a() { return Date.now(); } }; const all = new Array(500_000).fill(odd); for (;;) JSON.stringify(all);",
    ),
  ],
  ["catastrophic backtracking", raw("/^(a+)+$/.test('a'.repeat(50) + 'b'); return 'done';")],
  [
    "backtracking with lookbehind and backreferences",
    raw(
      "/(?<=(x+x+)+)y\\\\1(.*)*\\\\2$/.test('x'.repeat(60)); /^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60)); return 'done';",
    ),
  ],
  [
    "a sort whose comparator never agrees with itself",
    raw(
      "const all = Array.from({ length: 3_000_000 }, (_, i) => i); for (;;) all.sort(() => Math.random() - 0.5);",
    ),
  ],
  [
    "microtasks without end",
    raw("await new Promise(() => { const next = (): any => Promise.resolve().then(next); next(); });"),
  ],
  [
    "queueMicrotask without end",
    raw("await new Promise(() => { const next = () => queueMicrotask(next); next(); });"),
  ],
  ["awaits without end", raw("for (;;) await null;")],
  [
    "timers without end",
    raw(
      "await new Promise(() => { const next = () => { for (let i = 0; i < 1e6; i++); setTimeout(next, 0); }; next(); setInterval(() => {}, 1); });",
    ),
  ],
  [
    "a loop in a timer, after the run's answer was near",
    raw("await new Promise(() => setTimeout(() => { for (;;); }, 1));"),
  ],
  [
    "an async generator without end",
    raw("async function* all() { for (;;) yield 1; } for await (const _one of all());"),
  ],
  [
    "a promise chain of a million links, again and again",
    raw(
      "for (;;) { let p: Promise<unknown> = Promise.resolve(); for (let i = 0; i < 50_000; i++) p = p.then(() => i); await p; }",
    ),
  ],
  ["waitUntil that never ends", raw("ctx.waitUntil(new Promise(() => {})); return 'done';")],
  [
    "waitUntil that loops after the answer",
    raw("ctx.waitUntil((async () => { await null; for (;;); })()); return 'done';"),
  ],
  ["a promise that never settles", raw("await new Promise(() => {});")],
  ["a thenable whose then loops", raw("return { then() { for (;;); } };")],
  [
    "Proxy traps that call themselves",
    raw(
      "const p: any = new Proxy({}, { get: (_t, k) => { for (let i = 0; i < 1e9; i++) Reflect.has(p, k); return 1; }, has: () => true }); return p.x;",
    ),
  ],
  ["eval of ever new code", raw("for (let i = 0; ; i++) (0, eval)('(function () { return ' + i + ' })()');")],
  [
    "compiling one giant function",
    raw(
      "const body = 'x = (x + 1) * 2;'.repeat(20_000); for (let i = 0; ; i++) new Function('x', body + i)(1);",
    ),
  ],
  [
    "Date parsing and formatting",
    raw(
      "for (;;) new Date('2026-01-01T00:00:00Z').toLocaleString('ar-EG', { timeZone: 'Asia/Kathmandu', dateStyle: 'full', timeStyle: 'full' });",
    ),
  ],
  [
    "URL parsing",
    refused(
      "new g.URL('https://example.com/'); const long = 'https://example.com/' + '../a/'.repeat(100_000); for (;;) new g.URL(long).href;",
    ),
  ],
  [
    "structuredClone in a loop",
    refused(
      "const big = Array.from({ length: 100_000 }, (_, i) => ({ i })); for (;;) g.structuredClone(big);",
    ),
  ],
  [
    "compression in a loop",
    refused(
      "const data = g.crypto.getRandomValues(new Uint8Array(65_536)); for (;;) await new g.Response(new g.Blob([data]).stream().pipeThrough(new g.CompressionStream('gzip'))).arrayBuffer();",
    ),
  ],
  [
    "PBKDF2 with a giant number of iterations",
    refused(
      "const key = await g.crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']); await g.crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 2 ** 31 - 1 }, key, 512);",
    ),
  ],
  [
    "many PBKDF2 at once",
    refused(
      "const key = await g.crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']); for (;;) await Promise.all(Array.from({ length: 100 }, () => g.crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 100_000 }, key, 512)));",
    ),
  ],
  [
    "RSA keys of 16,384 bits",
    refused(
      "await Promise.all(Array.from({ length: 8 }, () => g.crypto.subtle.generateKey({ name: 'RSA-PSS', modulusLength: 16_384, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign', 'verify'])));",
    ),
  ],
  [
    "RSA with an odd public exponent",
    refused(
      "for (const publicExponent of [new Uint8Array([0]), new Uint8Array([1]), new Uint8Array(4_000).fill(255)]) { try { await g.crypto.subtle.generateKey({ name: 'RSA-PSS', modulusLength: 2_048, publicExponent, hash: 'SHA-256' }, true, ['sign', 'verify']); } catch { continue; } } throw new Error('none worked');",
    ),
  ],
  [
    "digests of megabytes in a loop",
    refused(
      "const data = new Uint8Array(4_000_000); for (;;) await Promise.all([g.crypto.subtle.digest('SHA-512', data), g.crypto.subtle.digest('SHA-1', data)]);",
    ),
  ],
];

export const processor: Attack[] = [
  ...attacksOf(
    burners.map(([name, source]) => [name, source] as [string, string]),
    {
      limits: LIMITS,
      expect: STOPPED,
    },
  ),
  {
    name: "a loop within its wall time and beyond its processor time",
    source: raw("while (true) {}"),
    limits: { memoryMb: 64, wallMs: 5_000, cpuMs: 200 },
    expect: { codes: ["function_cpu_exceeded"] },
  },
  {
    name: "bursts between awaits beyond the processor time",
    source: raw(
      "for (;;) { for (let i = 0; i < 1e6; i++); await new Promise((resolve) => setTimeout(resolve, 1)); }",
    ),
    limits: { memoryMb: 64, wallMs: 5_000, cpuMs: 200 },
    expect: { codes: ["function_cpu_exceeded"] },
  },
];
