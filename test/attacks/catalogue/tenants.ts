/** Other runs and other namespaces: what an earlier run left, what the next one brings, what belongs to strangers. */
import { ANYTHING, type Attack, FINDS_NOTHING } from "../attack.ts";

const DEAD = "from the dead";
const noGhosts: Attack["expect"]["answer"] = (answer, lines) => {
  const ghost = lines.find(({ message, fields }) => `${message} ${JSON.stringify(fields)}`.includes(DEAD));
  if (ghost) return `the log has ${ghost.message}`;
  return JSON.stringify(answer).includes(DEAD) ? "an earlier run answered" : undefined;
};
const WAIT = "await new Promise((resolve) => setTimeout(resolve, 30));";

/** The first run leaves something behind, the second is looked at. */
const left = (name: string, module: string, first: string, second = WAIT): Attack => ({
  name,
  source: `${module}
    export default async (input: any, ctx: any) => { const g = globalThis as any; if (input === "first") { ${first} return "first"; } ${second} return "second"; };`,
  inputs: ["first", "second"],
  expect: { answer: noGhosts },
});

export const tenants: Attack[] = [
  left(
    "an earlier run's context, used for logging",
    "let old: any;",
    "old = ctx;",
    `for (const level of ["debug", "info", "warn", "error"]) old?.log[level]("${DEAD}", { a: 1 });`,
  ),
  left("an earlier run's console, captured", "let old: any;", "old = console.log;", WAIT),
  left(
    "an earlier run's timer",
    "",
    `setTimeout(() => { console.log("${DEAD}"); }, 5); setInterval(() => { console.log("${DEAD}"); }, 5);`,
  ),
  left(
    "an earlier run's promise chain, resolved by the next run",
    "let go: any; const gate = new Promise((resolve) => { go = resolve; });",
    `gate.then(() => ctx.log.info("${DEAD}")); gate.then(() => ctx.waitUntil(new Promise(() => {})));`,
    `go(); ${WAIT}`,
  ),
  left(
    "an earlier run's answer, given again by the next",
    "let old: any;",
    `return new Promise((resolve) => { old = resolve; setTimeout(() => resolve("first"), 1); });`,
    `old("${DEAD}"); ${WAIT}`,
  ),
  left(
    "an earlier run's waitUntil, called late",
    "let old: any;",
    "old = ctx.waitUntil;",
    // The rejection is the second run's own, and may be told in its log.
    `old(Promise.reject(new Error("mine"))); old(new Promise(() => {})); old(Promise.resolve("${DEAD}"));`,
  ),
  left(
    "an earlier run's fetch, answered in the next",
    "let old: any;",
    `old = g.fetch?.("http://127.0.0.1:9/").catch(() => ctx.log.info("${DEAD}"));`,
    WAIT,
  ),
  left(
    "an earlier run's abort signals and timeouts",
    "",
    `g.AbortSignal?.timeout(5).addEventListener("abort", () => console.log("${DEAD}"));`,
  ),
  left(
    "an earlier run's microtasks, still going",
    "",
    `const next = (n: number): any => n > 0 && Promise.resolve().then(() => next(n - 1)); next(50_000); queueMicrotask(() => ctx.log.info("x"));`,
  ),
  left(
    "an earlier run's unhandled rejection",
    "",
    `setTimeout(() => Promise.reject(new Error("${DEAD}")), 1); Promise.reject(new Error("mine"));`,
  ),
  {
    name: "module state where nothing may be reused",
    source:
      "let calls = 0; (globalThis as any).marks ??= 0; export default () => [++calls, ++(globalThis as any).marks];",
    inputs: [1, 2, 3],
    reuse: false,
    expect: { answer: { equal: [1, 1] } },
  },
  {
    name: "prototypes poisoned by an earlier run where nothing may be reused",
    source: `export default (input: any) => { const before = (Object.prototype as any).planted ?? null; (Object.prototype as any).planted = input; return before; };`,
    inputs: ["planted", "look"],
    reuse: false,
    expect: { answer: { equal: null } },
  },
  {
    name: "console counters and performance marks where nothing may be reused",
    source: `export default () => { const g = globalThis as any; console.count("seen"); const marks = g.performance?.getEntries?.().length ?? 0; g.performance?.mark?.("m"); return marks; };`,
    inputs: [1, 2],
    reuse: false,
    expect: {
      answer: (answer, lines) =>
        answer === 0 && lines.some(({ message }) => message === "seen: 1")
          ? undefined
          : `saw ${JSON.stringify(answer)} and ${JSON.stringify(lines)}`,
    },
  },
  {
    name: "the same source in another namespace, whose state it would share",
    source:
      "let kept: unknown = null; export default (input: any) => { const before = kept; kept = input; return before; };",
    inFirst: "another namespace's secret",
    inputs: ["mine"],
    expect: { answer: { equal: null } },
  },
  {
    name: "the same source in another namespace, through globals and prototypes",
    source: `export default (input: any) => { const g = globalThis as any; const before = [g.kept ?? null, (Object.prototype as any).kept ?? null, (Symbol.for("kept") as any).description === "kept" ? null : 1]; g.kept = input; (Object.prototype as any).kept = input; return before; };`,
    inFirst: "another namespace's secret",
    inputs: ["mine"],
    expect: { answer: { equal: [null, null, null] } },
  },
  {
    name: "uninitialised memory: buffers with what others left",
    source: `export default () => { const found = []; for (let i = 0; i < 200; i++) { const bytes = new Uint8Array(100_000); for (let k = 0; k < bytes.length; k += 97) if (bytes[k] !== 0) { found.push(i); break; } } const moved = (new ArrayBuffer(8) as any).transfer?.(100_000); if (moved && new Uint8Array(moved).some((byte) => byte !== 0)) found.push("transfer"); return found; };`,
    inFirst: null,
    expect: FINDS_NOTHING,
  },
  {
    name: "random numbers that are the same in every isolate",
    source: `export default () => { const g = globalThis as any; return [Math.random(), g.crypto?.randomUUID?.() ?? Math.random(), g.crypto?.getRandomValues(new Uint32Array(1))[0] ?? Math.random()]; };`,
    inputs: [1, 2],
    reuse: false,
    expect: { differs: true, answer: () => undefined },
  },
  {
    name: "names of other functions and runs in anything a run is given",
    source: `export default function (input: any, ctx: any) { return JSON.stringify([input, ctx, Object.keys(globalThis), [...arguments].length]); };`,
    expect: ANYTHING,
  },
];
