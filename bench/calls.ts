/**
 * Calls of functions over HTTP, each a recorded run: by a URL of the function's own and by `invoke`, with the functions
 * that the peers were measured with.
 */
import { Pool } from "undici";
import { forEachConcurrently, type Spread, spreadOf } from "./stats.ts";
import type { BenchSystem } from "./system.ts";

export const TRIVIAL = `export default { async fetch(request) {
  const e = await request.json();
  return Response.json({ ok: e.a + 1 });
} };`;
const TRIVIAL_PLAIN = "export default async (e) => ({ ok: e.a + 1 });";
/** 20 KB of JSON parsed, mapped, hashed. */
export const MEDIUM = `export default { async fetch(request) {
  const { rows } = await request.json();
  let hash = 0;
  const mapped = rows.map((row) => ({ ...row, total: row.price * row.count }));
  for (const char of JSON.stringify(mapped)) hash = (hash * 31 + char.charCodeAt(0)) | 0;
  return Response.json({ rows: mapped.length, hash });
} };`;
export const MEDIUM_INPUT = {
  rows: Array.from({ length: 250 }, (_, n) => ({
    id: n,
    name: `row ${n}`,
    price: n * 1.5,
    count: n % 7,
    note: "some words here",
  })),
};
const MEDIUM_BODY = JSON.stringify(MEDIUM_INPUT);
const IN_FLIGHT = 32;

export interface CallFigures {
  coldMs: Spread;
  oneAtATimeMs: Spread;
  callsPerSecond: number[];
}

export interface AllCallFigures {
  url: CallFigures;
  invoke: CallFigures;
  medium: Omit<CallFigures, "coldMs">;
  fromZeroWorkersMs: number[];
}

export async function measureCalls(
  system: BenchSystem,
  count: number,
  times: number,
): Promise<AllCallFigures> {
  const pool = new Pool(system.origin, { connections: IN_FLIGHT, pipelining: 1 });
  const post = async (path: string, body: string): Promise<void> => {
    const { statusCode, body: answer } = await pool.request({
      method: "POST",
      path,
      headers: { "content-type": "application/json", authorization: `Bearer ${system.key}` },
      body,
    });
    const text = await answer.text();
    if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}: ${text}`);
  };
  const deploy = (name: string, source: string) =>
    system.call("PUT", `/v1/functions/${name}`, { source, public: true });

  const measure = async (path: string, body: string, many: number) => {
    for (let index = 0; index < 200; index += 1) await post(path, body);
    const waits: number[] = [];
    for (let index = 0; index < 1_000; index += 1) waits.push(await timed(() => post(path, body)));
    const callsPerSecond: number[] = [];
    for (let index = 0; index < times; index += 1) {
      const ms = await timed(() => forEachConcurrently(many, IN_FLIGHT, () => post(path, body)));
      callsPerSecond.push(Math.round(many / (ms / 1_000)));
    }
    return { oneAtATimeMs: spreadOf(waits), callsPerSecond };
  };
  const measureCold = async (path: string, source: string) => {
    const waits: number[] = [];
    for (let index = 0; index < 30; index += 1) {
      await deploy("cold", `${source}\n// ${Date.now()} ${index}`);
      waits.push(await timed(() => post(path, '{"a":1}')));
    }
    return spreadOf(waits);
  };

  try {
    await deploy("trivial", TRIVIAL);
    await deploy("plain", TRIVIAL_PLAIN);
    await deploy("medium", MEDIUM);
    const body = '{"a":1}';
    const url = {
      coldMs: await measureCold("/fn/default/cold", TRIVIAL),
      ...(await measure("/fn/default/trivial", body, count)),
    };
    const invoke = {
      coldMs: await measureCold("/v1/functions/cold/invoke", TRIVIAL_PLAIN),
      ...(await measure("/v1/functions/plain/invoke", body, count)),
    };
    const medium = await measure("/fn/default/medium", MEDIUM_BODY, Math.ceil(count / 10));
    const fromZeroWorkersMs: number[] = [];
    for (let index = 0; index < times; index += 1) {
      await system.stopWorker();
      fromZeroWorkersMs.push(
        Math.round(await timed(() => Promise.all([system.startWorker(), post("/fn/default/trivial", body)]))),
      );
    }
    return { url, invoke, medium, fromZeroWorkersMs };
  } finally {
    await pool.close();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}
