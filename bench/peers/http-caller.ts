/** The client of all calls: keeps its connections, has so many requests in flight, and looks at every answer. */
import { Pool } from "undici";
import { forEachConcurrently, spreadOf } from "../stats.ts";
import type { CalledFunction } from "./called-functions.ts";
import type { Figures } from "./rounds.ts";

export const IN_FLIGHT = 32;

export interface Caller {
  /** Throws unless the answer is a 200 with this text. */
  post(path: string, body: string, answer: string): Promise<void>;
  get(path: string): Promise<void>;
  close(): Promise<void>;
}

export function openCaller(origin: string, key?: string): Caller {
  const pool = new Pool(origin, { connections: IN_FLIGHT, pipelining: 1 });
  const headers = {
    "content-type": "application/json",
    ...(key ? { authorization: `Bearer ${key}` } : {}),
  };
  const send = async (method: "GET" | "POST", path: string, body: string | null): Promise<string> => {
    const { statusCode, body: answer } = await pool.request({ method, path, headers, body });
    const text = await answer.text();
    if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}: ${text}`);
    return text;
  };
  return {
    async post(path, body, answer) {
      const text = await send("POST", path, body);
      if (text !== answer) throw new Error(`${path} answered ${text}, not ${answer}`);
    },
    get: async (path) => void (await send("GET", path, null)),
    close: () => pool.close(),
  };
}

/** The `nth` call of a function. */
export function callOf(caller: Caller, path: string, { bodies, answers }: CalledFunction, nth: number) {
  const which = nth % bodies.length;
  return caller.post(path, bodies[which]!, answers[which]!);
}

export async function callInFlight(count: number, call: (nth: number) => Promise<void>): Promise<Figures> {
  const beganMs = performance.now();
  await forEachConcurrently(count, IN_FLIGHT, call);
  return { perSecond: count / ((performance.now() - beganMs) / 1_000) };
}

export async function callOneAtATime(count: number, call: (nth: number) => Promise<void>): Promise<Figures> {
  const tookMs: number[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    const beganMs = performance.now();
    await call(nth);
    tookMs.push(performance.now() - beganMs);
  }
  const { p50, p99 } = spreadOf(tookMs);
  return { p50Ms: p50, p99Ms: p99 };
}
