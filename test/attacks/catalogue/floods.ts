/** Floods of what a run may do a little of: lines, timers, fetches, promises, rejections, keys. */
import type { Json } from "../../../core/json.ts";
import type { Attack, LogLine } from "../attack.ts";

const MOST_LINES = 1_001;
const fn = (body: string): string =>
  `export default async (input: any, ctx: any) => { const g = globalThis as any; ${body} };`;
const BY_A_LIMIT = [
  "function_timeout",
  "function_memory_exceeded",
  "function_cpu_exceeded",
  "function_error",
];

function boundedLines(answer: Json, lines: LogLine[]): string | undefined {
  return lines.length > MOST_LINES
    ? `${lines.length} lines were kept (${JSON.stringify(answer)})`
    : undefined;
}

export const floods: Attack[] = [
  {
    name: "a million log lines",
    source: fn("for (let i = 0; i < 1_000_000; i++) ctx.log.info('line ' + i, { i }); return 'done';"),
    expect: { answer: boundedLines, codes: BY_A_LIMIT },
  },
  {
    name: "a flood of console lines of the longest size, from timers and microtasks",
    source: fn(
      "const line = 'x'.repeat(8_000); for (let t = 0; t < 100; t++) { setTimeout(() => { for (let i = 0; i < 1_000; i++) console.log(line); }, t); queueMicrotask(() => { for (let i = 0; i < 1_000; i++) console.error(line); }); } await new Promise((resolve) => setTimeout(resolve, 120)); return 'done';",
    ),
    expect: { answer: boundedLines, codes: BY_A_LIMIT },
  },
  {
    name: "more log lines than the revision's own limit",
    source: fn("for (let i = 0; i < 1_000; i++) console.log(i); return 'done';"),
    limits: { logLines: 5 },
    expect: {
      answer: (_answer, lines) => (lines.length > 6 ? `${lines.length} lines were kept` : undefined),
    },
  },
  {
    name: "a million timers",
    source: fn(
      "try { for (let i = 0; i < 1_000_000; i++) setTimeout(() => {}, 1e9 + i); } catch (error: any) { return error.name; } return 'all taken';",
    ),
    expect: { answer: { equal: "RangeError" } },
  },
  {
    name: "a flood of intervals of one millisecond",
    source: fn(
      "let ticks = 0; try { for (;;) setInterval(() => { ticks++; }, 1); } catch {} await new Promise((resolve) => { const wait = () => (ticks > 5_000 ? resolve(0) : queueMicrotask(() => {})); g.check = wait; const p = Date.now(); const end = () => { if (Date.now() - p > 200) resolve(0); else Promise.resolve().then(end); }; end(); }); return 'done';",
    ),
    limits: { wallMs: 1_000 },
    expect: { answer: { equal: "done" }, codes: BY_A_LIMIT },
  },
  {
    name: "timers set and cleared without end",
    source: fn("for (let i = 0; ; i++) clearTimeout(setTimeout(() => {}, i % 100));"),
    limits: { wallMs: 600 },
    expect: { codes: BY_A_LIMIT },
  },
  {
    name: "ever earlier timers, each of which asks the host for a new alarm",
    source: fn(
      "for (let i = 2e9; i > 0; i--) { const id = setTimeout(() => {}, i); if (i % 500 === 0) for (let k = 0; k < 500; k++) clearTimeout(id - k); }",
    ),
    limits: { wallMs: 800 },
    expect: { codes: BY_A_LIMIT },
  },
  {
    name: "ten thousand fetches at once",
    source: fn(
      "if (!g.fetch) return 'refused'; const all = await Promise.allSettled(Array.from({ length: 10_000 }, () => g.fetch(input + '/flood'))); return all.filter((one) => one.status === 'fulfilled').length;",
    ),
    inputs: ({ allowed }) => [allowed],
    limits: { subrequests: 50, wallMs: 4_000 },
    expect: {
      answer: (answer) =>
        answer === "refused" || (answer as number) <= 50 ? undefined : `${answer} fetches went out`,
      codes: BY_A_LIMIT,
    },
  },
  {
    name: "ten thousand key-value operations at once",
    source: fn(
      "const all = await Promise.allSettled(Array.from({ length: 10_000 }, (_, i) => ctx.kv.set('key ' + i, i))); return all.filter((one) => one.status === 'fulfilled').length;",
    ),
    expect: {
      answer: (answer) => ((answer as number) <= 1_000 ? undefined : `${answer} operations went through`),
      codes: BY_A_LIMIT,
    },
  },
  {
    name: "key-value operations of megabytes, and built-ins replaced to smuggle them",
    source: fn(
      "const big = 'x'.repeat(5_000_000); const tries = [() => ctx.kv.set('a', big), () => ctx.kv.get(big), () => ctx.kv.list({ prefix: big }), () => ctx.kv.set('a', { toJSON: () => big })]; g.JSON.stringify = () => big; g.Map.prototype.get = () => ({ resolve() {}, reject() {} }); Object.prototype.toString = () => big; let passed = 0; for (const one of tries) { try { await one(); passed++; } catch {} } return passed;",
    ),
    expect: { answer: { equal: 0 } },
  },
  {
    name: "fetches that are aborted as soon as they are sent",
    source: fn(
      "if (!g.fetch) return 'refused'; for (let i = 0; i < 2_000; i++) { const c = new g.AbortController(); g.fetch(input, { signal: c.signal }).catch(() => {}); c.abort(); if (i % 100 === 0) await null; } return 'refused';",
    ),
    inputs: ({ allowed }) => [allowed],
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "fetches with endless request bodies",
    source: fn(
      "if (!g.fetch) return 'refused'; const body = () => new g.ReadableStream({ pull(c: any) { c.enqueue(new Uint8Array(1_000_000)); } }); await Promise.allSettled(Array.from({ length: 20 }, () => g.fetch(input + '/swallow', { method: 'POST', body: body(), duplex: 'half' }))); return 'refused';",
    ),
    inputs: ({ allowed }) => [allowed],
    limits: { wallMs: 1_500 },
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "endless responses, never read and read without end",
    source: fn(
      "if (!g.fetch) return 'refused'; const all: any[] = []; for (let i = 0; i < 8; i++) all.push(await g.fetch(input + '/endless')); const kept: any[] = []; const r = all[0].body.getReader(); for (;;) { const { value, done } = await r.read(); if (done) break; kept.push(value); } return 'refused';",
    ),
    inputs: ({ allowed }) => [allowed],
    limits: { wallMs: 2_500 },
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "a response that is a compression bomb",
    source: fn(
      "if (!g.fetch) return 'refused'; const kept: any[] = []; const r = (await g.fetch(input + '/bomb')).body.getReader(); for (;;) { const { value, done } = await r.read(); if (done) return 'refused'; kept.push(value); }",
    ),
    inputs: ({ allowed }) => [allowed],
    limits: { wallMs: 4_000 },
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "giant request headers and addresses",
    source: fn(
      "if (!g.fetch) return 'refused'; const tries = [() => g.fetch(input, { headers: { a: 'x'.repeat(5_000_000) } }), () => g.fetch(input + '/?' + 'y'.repeat(5_000_000)), () => g.fetch(input, { headers: Array.from({ length: 50_000 }, (_, i) => ['h' + i, 'v']) }), () => g.fetch(input, { method: 'M'.repeat(1_000_000) })]; let passed = 0; for (const one of tries) { try { await one(); passed++; } catch {} } return passed === 0 ? 'refused' : passed;",
    ),
    limits: { wallMs: 2_000 },
    inputs: ({ allowed }) => [allowed],
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "a million promises rejected and never handled",
    source: fn(
      "for (let i = 0; i < 200_000; i++) Promise.reject(new Error('unhandled ' + i)); await new Promise((resolve) => setTimeout(resolve, 20)); return 'done';",
    ),
    expect: { answer: boundedLines, codes: BY_A_LIMIT },
  },
  {
    name: "rejections unhandled in every turn",
    source: fn(
      "for (let i = 0; i < 300; i++) { Promise.reject({ i }); await new Promise((resolve) => setTimeout(resolve, 0)); } return 'done';",
    ),
    expect: { answer: boundedLines, codes: BY_A_LIMIT },
  },
  {
    name: "errors thrown in a thousand timers",
    source: fn(
      "for (let i = 0; i < 900; i++) setTimeout(() => { throw new Error('timer ' + i); }, 1); await new Promise((resolve) => setTimeout(resolve, 50)); return 'done';",
    ),
    expect: { answer: boundedLines, codes: BY_A_LIMIT },
  },
  {
    name: "a million waitUntil",
    source: fn("for (let i = 0; i < 1_000_000; i++) ctx.waitUntil(i as any); return 'done';"),
    expect: { answer: { equal: "done" }, codes: BY_A_LIMIT },
  },
  {
    name: "waitUntil that asks for another, without end",
    source: fn(
      "const more = (): any => Promise.resolve().then(() => { ctx.waitUntil(more()); }); ctx.waitUntil(more()); return 'done';",
    ),
    limits: { wallMs: 600 },
    expect: { answer: { equal: "done" }, codes: BY_A_LIMIT },
  },
  {
    name: "a hundred thousand crypto operations at once",
    source: fn(
      "if (!g.crypto?.subtle) return 'refused'; const d = new Uint8Array(64); const all = await Promise.allSettled(Array.from({ length: 100_000 }, () => g.crypto.subtle.digest('SHA-256', d))); return 'refused';",
    ),
    limits: { wallMs: 2_000 },
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "random bytes without end",
    source: fn(
      "if (!g.crypto) return 'refused'; const b = new Uint8Array(65_536); for (let i = 0; i < 2_000; i++) g.crypto.getRandomValues(b); return 'refused';",
    ),
    limits: { wallMs: 2_000 },
    expect: { answer: { equal: "refused" }, codes: BY_A_LIMIT },
  },
  {
    name: "symbols, names and counters of the console without end",
    source: fn(
      "for (let i = 0; ; i++) { console.count('label ' + i + 'x'.repeat(1_000)); console.time('label ' + i); }",
    ),
    limits: { wallMs: 2_000 },
    expect: { codes: BY_A_LIMIT },
  },
];
