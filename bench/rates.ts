/** How closely a rate is kept, and how much of it is used, while there is always work. */
import { lastRunId, type TaskBody, waitForRuns } from "./scenarios.ts";
import type { BenchSystem } from "./system.ts";

/** With a bucket of one start, where each start that comes late is lost. */
export const STEADY_RATES = [1, 10, 50];
const SECONDS = 8;

export interface SteadyFigures {
  rate: number;
  /** Of the starts that there may be, how many there are. */
  share: number;
  /** The shortest time between two starts, as a share of the least that may be. */
  shortestGap: number;
}

export async function measureSteadyRates(system: BenchSystem, body: TaskBody): Promise<SteadyFigures[]> {
  const figures: SteadyFigures[] = [];
  for (const rate of STEADY_RATES) {
    const queue = `steady-${rate}`;
    await system.call("PUT", `/v1/queues/${queue}`, { rate: { limit: rate, per: "1s", burst: 1 } });
    const count = rate * SECONDS;
    const after = await lastRunId(system);
    await system.call("POST", "/v1/tasks/batch", { items: Array(count).fill({ ...body, queue }) });
    const runs = await waitForRuns(system, after, count);
    const starts = runs.map(({ startedMs }) => startedMs).sort((a, b) => a - b);
    const gaps = starts.slice(1).map((at, index) => at - starts[index]!);
    const intervalMs = 1_000 / rate;
    figures.push({
      rate,
      share: (gaps.length * intervalMs) / (starts.at(-1)! - starts[0]!),
      shortestGap: Math.min(...gaps) / intervalMs,
    });
  }
  return figures;
}
