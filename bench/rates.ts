/** How much of a rate is used under a backlog, and how closely it is kept. */
import { lastRunId, type RunTimes, type TaskBody, waitForRuns } from "./scenarios.ts";
import type { BenchSystem } from "./system.ts";

interface Asked {
  /** Starts in a second. */
  limit: number;
  burst: number;
  /** So many at once, each with a backlog of its own. */
  queues: number;
}

export interface RateFigures extends Asked {
  /** Once the burst is used up; of the slowest queue. */
  startsPerSecond: number;
  /** The most that started within any second in one queue. */
  mostInASecond: number;
}

const RATES: Asked[] = [
  { limit: 10, burst: 1, queues: 1 },
  { limit: 10, burst: 1, queues: 5 },
  { limit: 100, burst: 20, queues: 1 },
];
const SECONDS = 6;

export async function measureRates(system: BenchSystem, body: TaskBody): Promise<RateFigures[]> {
  const figures: RateFigures[] = [];
  for (const asked of RATES) figures.push({ ...asked, ...(await measureRate(system, body, asked)) });
  return figures;
}

async function measureRate(system: BenchSystem, body: TaskBody, { limit, burst, queues }: Asked) {
  const names = Array.from({ length: queues }, (_, index) => `rate-${limit}-${burst}-${queues}-${index}`);
  for (const name of names)
    await system.call("PUT", `/v1/queues/${name}`, { rate: { limit, per: "1s", burst } });
  const after = await lastRunId(system);
  const count = limit * SECONDS;
  for (const queue of names)
    await system.call("POST", "/v1/tasks/batch", { items: Array(count).fill({ ...body, queue }) });
  const runs = await waitForRuns(system, after, count * queues);
  const each = names.map((name) => judgeStarts(runs, name, burst));
  return {
    startsPerSecond: Math.min(...each.map(({ startsPerSecond }) => startsPerSecond)),
    mostInASecond: Math.max(...each.map(({ mostInASecond }) => mostInASecond)),
  };
}

function judgeStarts(runs: RunTimes[], queue: string, burst: number) {
  const starts = runs.flatMap((run) => (run.queue === queue ? [run.startedMs] : [])).sort((a, b) => a - b);
  const seconds = (starts.at(-1)! - starts[burst - 1]!) / 1_000;
  const within = (from: number) => starts.filter((at) => at >= from && at < from + 1_000).length;
  return {
    startsPerSecond: (starts.length - burst) / seconds,
    mostInASecond: Math.max(...starts.map(within)),
  };
}
