/** Drives the running bulk actions, batch by batch, and reports each batch once it is committed. */

import type { Clock } from "../core/clock.ts";
import type { FunctionLimitCaps } from "../core/domain/function-limits.ts";
import { unsentLevel } from "../core/queue/bounded-sends.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import type { RunEnds } from "../core/run-ends/run-ends.ts";
import type { ScheduleTime } from "../core/schedule-time.ts";
import { driveBulkBatch } from "../core/store/bulk/drive.ts";
import type { DrivenBatch } from "../core/store/bulk/taken.ts";
import type { DailyLimits } from "../core/store/daily-limits.ts";
import type { Store } from "../core/store/database.ts";
import type { Notifier } from "../core/store/notify.ts";
import type { Logger } from "../core/telemetry/log.ts";

export interface BulkContext {
  store: Store;
  clock: Clock;
  /** What schedules see; left out, the clock's. */
  time?: ScheduleTime;
  functionCaps: FunctionLimitCaps;
  daily?: DailyLimits;
  transport: Pick<QueueTransport, "ring">;
  notifier: Notifier;
  ends: RunEnds;
  log: Logger;
}

/** Until no action is left to be driven here. It rests after each batch, so that others get on. */
export async function driveBulkActions(context: BulkContext, stopping: AbortSignal): Promise<void> {
  const { store, clock } = context;
  while (!stopping.aborted) {
    const driven = await driveBulkBatch(store, context);
    if (driven.kind === "idle") return;
    if (driven.kind === "batch") await tell(context, driven.batch);
    if (driven.restMs > 0) await clock.sleep(driven.restMs, stopping);
  }
}

/** What a single request tells too: workers, callers, schedulers, and whoever hears of ends. */
async function tell({ transport, notifier, ends, log }: BulkContext, batch: DrivenBatch): Promise<void> {
  if (batch.asked.length > 0) notifier.notify("bellhop_cancel", batch.asked);
  if (batch.reschedules) notifier.notify("bellhop_schedule");
  ends.tell(batch.ended);
  await ends.flush();
  try {
    if (batch.staged.length > 0) await transport.ring(batch.staged);
  } catch (error) {
    log[unsentLevel(error)]({ error }, "bells of a bulk action were not sent; the sweep rings them again");
  }
  const { id, action, resource, state, done, failed } = batch;
  if (state !== "running")
    log.info({ bulk: id, action, resource, state, done, failed }, "a bulk action is over");
}
