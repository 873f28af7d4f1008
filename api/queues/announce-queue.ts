import { grantPermits } from "../../core/store/limits/grant-permits.ts";
import { type SavedQueue, settleQueue } from "../../core/store/queues/queues.ts";
import type { ApiParts } from "../environment.ts";

/**
 * To be called when a queue was changed. It may let more run now; where those that wait cannot be looked for, the
 * scheduler soon does it. Whether calls are handed to workers goes by the limits of `default`: who keeps that looks again.
 */
export async function announceQueue(parts: ApiParts, saved: SavedQueue): Promise<void> {
  parts.callables.forget();
  parts.notifier.notify("bellhop_functions");
  await parts.afterCommit(async ({ store, log, ringer }) => {
    const freedKeys = await settleQueue(store, saved);
    const granted = await grantPermits(store, freedKeys).catch((error) => {
      log.warn({ error }, "runs that wait for a permit were not looked for; the scheduler does it");
      return [];
    });
    ringer.ring(granted);
  });
}
