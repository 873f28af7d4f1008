/** The sandbox alone: worker → executor → isolate → back, without HTTP and without a record. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { DEFAULT_FUNCTION_LIMITS } from "../core/domain/function-limits.ts";
import type { Json } from "../core/json.ts";
import { buildRevision } from "../functions/build/build-revision.ts";
import { ExecutorPool } from "../runtime/sandbox/parent/executor-pool.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../runtime/sandbox/settings.ts";
import { forEachConcurrently, type Spread, spreadOf } from "./stats.ts";

const TRIVIAL = "export default async (e: { a: number }) => ({ ok: e.a + 1 });";
/** 20 KB of JSON parsed, mapped and hashed; about a millisecond of plain Node. */
const MEDIUM = `export default async (e: { text: string }) => {
  const rows = JSON.parse(e.text) as { id: number; name: string; tags: string[] }[];
  const mapped = rows.map((row) => ({ ...row, name: row.name.toUpperCase(), tags: row.tags.join("-") }));
  const text = JSON.stringify(mapped);
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i += 4) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return { rows: mapped.length, hash: hash.toString(16) };
};`;
const WARM_ISOLATES = 16;
const COLD_RUNS = 50;

export interface SandboxFigures {
  coldMs: Spread;
  warmMs: Spread;
  callsPerSecond: number[];
  /** With 256 in flight. */
  manyCallsPerSecond: number[];
  mediumWarmMs: Spread;
  mediumCallsPerSecond: number[];
  warmIsolateMb: number;
}

type Invoke = (code: string, revisionId: string, input: Json, namespaceId?: string) => Promise<void>;

export async function measureSandbox(calls: number, times: number): Promise<SandboxFigures> {
  const pool = new ExecutorPool(DEFAULT_SANDBOX_SETTINGS, undefined);
  try {
    const invoke = makeInvoke(pool);
    const [trivial, medium] = await Promise.all([TRIVIAL, MEDIUM].map(buildCode));
    const text = JSON.stringify(
      Array.from({ length: 270 }, (_, id) => ({
        id,
        name: `customer number ${id}`,
        tags: ["a", "bb", "ccc"],
      })),
    );
    const coldMs = await measureCold(invoke, trivial!, COLD_RUNS);
    const [quick, heavy] = [
      () => invoke(trivial!, "trivial", { a: 1 }),
      () => invoke(medium!, "medium", { text }),
    ];
    const warmMs = await measureOneAtATime(quick, 3_000);
    const callsPerSecond = await measureThroughput(quick, calls, times, 32);
    const manyCallsPerSecond = await measureThroughput(quick, calls, times, 256);
    const mediumWarmMs = await measureOneAtATime(heavy, 500);
    const mediumCallsPerSecond = await measureThroughput(heavy, Math.ceil(calls / 20), times, 32);
    const warmIsolateMb = await measureWarmMemory(pool, invoke, trivial!);
    return {
      coldMs,
      warmMs,
      callsPerSecond,
      manyCallsPerSecond,
      mediumWarmMs,
      mediumCallsPerSecond,
      warmIsolateMb,
    };
  } finally {
    await pool.close();
  }
}

/** The first run of each of so many revisions, on an executor of its own. */
export async function measureFirstRuns(count: number): Promise<Spread> {
  const pool = new ExecutorPool(DEFAULT_SANDBOX_SETTINGS, undefined);
  try {
    return await measureCold(makeInvoke(pool), await buildCode(TRIVIAL), count);
  } finally {
    await pool.close();
  }
}

async function buildCode(source: string): Promise<string> {
  return (await buildRevision({ files: { "index.ts": source }, entry: "index.ts" })).code;
}

function makeInvoke(pool: ExecutorPool): Invoke {
  const options = { signal: new AbortController().signal, onLog() {} };
  const constant = {
    attempt: 1,
    scheduledFor: new Date(),
    env: {},
    limits: DEFAULT_FUNCTION_LIMITS,
    reuse: true,
    trigger: "invoke" as const,
    traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
  };
  return async (code, revisionId, input, namespaceId = "bench") => {
    const runId = "0190cafe-0000-7000-8000-000000000000";
    const outcome = await pool.invoke({ ...constant, namespaceId, runId, revisionId, code, input }, options);
    if (outcome.kind !== "succeeded") throw new Error(JSON.stringify(outcome));
  };
}

/** A new revision on an executor that is up, with a moment between, as deploys come. */
async function measureCold(invoke: Invoke, code: string, count: number): Promise<Spread> {
  await invoke(code, "first", { a: 1 });
  const coldMs: number[] = [];
  for (let index = 0; index < count; index++) {
    await delay(30);
    const started = performance.now();
    await invoke(code, `cold ${index}`, { a: 1 });
    coldMs.push(performance.now() - started);
  }
  return spreadOf(coldMs);
}

async function measureOneAtATime(call: () => Promise<void>, count: number): Promise<Spread> {
  const tookMs: number[] = [];
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    await call();
    tookMs.push(performance.now() - started);
  }
  // The first third warms the code up.
  return spreadOf(tookMs.slice(count / 3));
}

async function measureThroughput(
  call: () => Promise<void>,
  count: number,
  times: number,
  inFlight: number,
): Promise<number[]> {
  const perSecond: number[] = [];
  for (let index = 0; index < times; index++) {
    const started = performance.now();
    await forEachConcurrently(count, inFlight, call);
    perSecond.push(Math.round((count / (performance.now() - started)) * 1_000));
  }
  return perSecond;
}

/** What each of several warm isolates of different revisions adds to an executor that did nothing else. */
async function measureWarmMemory(pool: ExecutorPool, invoke: Invoke, code: string): Promise<number> {
  const warmUp = async (index: number) => {
    await invoke(code, `memory ${index}`, { a: 1 }, "memory");
    await delay(30);
  };
  await warmUp(0);
  const before = await residentMb(pool.pidOf("memory")!);
  for (let index = 1; index <= WARM_ISOLATES; index++) await warmUp(index);
  const after = await residentMb(pool.pidOf("memory")!);
  return Math.round(((after - before) / WARM_ISOLATES) * 100) / 100;
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1_024;
}
