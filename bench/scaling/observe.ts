/** What there is at a moment: by the database and the operating system, and by Prometheus. */
import { readDemand } from "../../core/store/demand.ts";
import type { LivePrometheus } from "../../test/monitoring/live-prometheus.ts";
import type { ScalingSystem } from "./system.ts";
import type { Moment } from "./timeline.ts";

/** Each expression gives one number, or nothing before the first scrape. */
const QUERIES = {
  waiting: 'max(bellhop_autoscaler_demand_runs{kind="due"})',
  running: 'max(bellhop_autoscaler_demand_runs{kind="running"})',
  workers: "sum(bellhop_autoscaler_workers)",
  /** Workers that are gone have told their last count. */
  ended: 'sum(max_over_time(bellhop_attempts_total{state="succeeded"}[30m]))',
};

/** The truth, when all is over. */
export interface Conclusion {
  succeeded: number;
  others: number;
  calls: number;
  succeededByPrometheus: number;
  mostWorkersByPrometheus: number;
  workersByPrometheus: number;
}

export function createObserver(system: ScalingSystem, prometheus: LivePrometheus) {
  async function ask(expression: string): Promise<number | null> {
    return (await prometheus.query(expression))[0]?.value ?? null;
  }

  async function countEnded(): Promise<{ succeeded: number; others: number }> {
    const { rows } = await system.store.pool.query<{ succeeded: number; others: number }>(
      `SELECT count(*) FILTER (WHERE state = 'succeeded')::int AS succeeded,
         count(*) FILTER (WHERE state <> 'succeeded')::int AS others FROM task_runs WHERE finished_at < 'infinity'`,
    );
    return rows[0]!;
  }

  return {
    async observe(elapsedMs: number): Promise<Moment> {
      const [demand, ended, waiting, running, workers] = await Promise.all([
        readDemand(system.store, 0),
        countEnded(),
        ask(QUERIES.waiting),
        ask(QUERIES.running),
        ask(QUERIES.workers),
      ]);
      return {
        elapsedMs,
        waiting: demand.dueRuns,
        running: demand.runningRuns,
        ended: ended.succeeded + ended.others,
        workers: system.countWorkerProcesses(),
        prometheus: { waiting, running, workers },
      };
    },

    /** Waits until Prometheus has scraped the autoscaler once more: it lags by a scrape. */
    async conclude(): Promise<Conclusion> {
      for (let tries = 0; tries < 20 && (await ask(QUERIES.workers)) !== 0; tries += 1)
        await new Promise((resolve) => setTimeout(resolve, 500));
      const orNothing = async (expression: string) => (await ask(expression)) ?? 0;
      return {
        ...(await countEnded()),
        calls: system.countCalls(),
        succeededByPrometheus: await orNothing(QUERIES.ended),
        mostWorkersByPrometheus: await orNothing(
          `max_over_time(sum(bellhop_autoscaler_workers{state="up"})[30m:1s])`,
        ),
        workersByPrometheus: await orNothing(QUERIES.workers),
      };
    },
  };
}
