/**
 * Watches what tasks expect, in jobs separate from the stage loop, so that lateness is reported even if staging hangs
 * or never runs.
 */

import { unsentLevel } from "../core/queue/bounded-sends.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import type { ScheduleTime } from "../core/schedule-time.ts";
import type { Store } from "../core/store/database.ts";
import { findUnfired, type OverduePlace } from "../core/store/expectations/unfired.ts";
import { watchExpectations } from "../core/store/expectations/watch.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { SchedulerMetrics } from "../core/telemetry/metrics/scheduler.ts";

/** The runs of one are locked until it is told of them. */
const WATCH_BATCH = 100;
export const OVERDUE_TASK_BATCH = 5_000;

export interface WatchContext {
  store: Store;
  /** What schedules see. */
  time: Pick<ScheduleTime, "now">;
  transport: Pick<QueueTransport, "ring">;
  log: Logger;
  metrics: Pick<SchedulerMetrics, "expectationsMissed" | "overruns">;
}

/** Judges all runs whose instants have come. */
export async function watchRuns(context: WatchContext): Promise<void> {
  const { store, time, metrics } = context;
  for (let hasMore = true; hasMore; ) {
    const report = await watchExpectations(store, time.now(), WATCH_BATCH);
    metrics.expectationsMissed.inc({ cause: "run" }, report.missed);
    metrics.overruns.inc(report.overran);
    await ring(context, report.called);
    hasMore = report.hasMore;
  }
}

/** Each pass goes on where the last one stopped: where nothing is staged, all tasks may be overdue. */
export function createUnfiredWatch(): (context: WatchContext) => Promise<void> {
  let place: OverduePlace | undefined;
  return async (context) => {
    const { store, time, metrics } = context;
    const report = await findUnfired(store, time.now(), OVERDUE_TASK_BATCH, place);
    place = report.place;
    metrics.expectationsMissed.inc({ cause: "unfired" }, report.unfired);
    await ring(context, report.called);
  };
}

/** What is not rung is found in the table. */
async function ring({ transport, log }: WatchContext, called: StagedRun[]): Promise<void> {
  if (called.length === 0) return;
  try {
    await transport.ring(called);
  } catch (error) {
    log[unsentLevel(error)]({ error }, "callbacks of late runs were not rung");
  }
}
