/** The scheduler's own consumer of ends: metrics and a log line for the runs that it rescued. */
import type { EndConsumer } from "../core/run-ends/run-ends.ts";
import type { EndedRun, EndState } from "../core/store/runs/end.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { SchedulerMetrics } from "../core/telemetry/metrics/scheduler.ts";

/** Of many, a line names these. */
const LOGGED_RUNS = 20;

export function countRescued(metrics: SchedulerMetrics, log: Logger): EndConsumer {
  const count = (ended: EndedRun<Exclude<EndState, "queued">>[]) => {
    const runs = ended.filter(({ cause }) => cause === "rescue");
    if (runs.length === 0) return;
    // Nobody knows of a lost run that it succeeded; what expires has not begun.
    for (const { state } of runs)
      if (state !== "succeeded" && state !== "expired") metrics.rescued.inc({ state });
    const runIds = runs.slice(0, LOGGED_RUNS).map(({ runId }) => runId);
    log.warn({ runs: runs.length, runIds }, "rescued runs of a worker whose lease ran out");
  };
  return { name: "count rescued runs", final: count, dead: count, scheduled: count, givenBack: null };
}
