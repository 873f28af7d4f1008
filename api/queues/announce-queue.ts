import type { Store } from "../../core/store/database.ts";
import { grantPermits } from "../../core/store/limits/grant-permits.ts";
import { type SavedQueue, settleQueue } from "../../core/store/queues/queues.ts";
import type { ApiParts } from "../environment.ts";

/** To be called when a queue was changed. */
export const announceQueue = (parts: ApiParts, saved: SavedQueue) =>
  announceLimit(parts, (store) => settleQueue(store, saved));

/**
 * To be called when a limit of runs was changed that they may not name. It may let more run now; where those that wait
 * cannot be looked for, the scheduler soon does it. Whether calls are handed to workers goes by such limits: who keeps that
 * looks again.
 *
 * @param settle does what comes after the commit; the limit keys whose permits can be granted
 */
export async function announceLimit(
  parts: ApiParts,
  settle: (store: Store) => Promise<string[]>,
): Promise<void> {
  parts.callables.forget();
  parts.notifier.notify("bellhop_functions");
  await parts.afterCommit(async ({ store, log, ringer }) => {
    const freedKeys = await settle(store);
    const granted = await grantPermits(store, freedKeys).catch((error) => {
      log.warn({ error }, "runs that wait for a permit were not looked for; the scheduler does it");
      return [];
    });
    ringer.ring(granted);
  });
}
