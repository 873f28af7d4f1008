/**
 * Retries that made their queue pause and whose instant comes after the pause: from then on they have their old age
 * (core/store/limits/rejoin-lines.ts). Those lost with the process come like any other retry.
 */
import type { Clock } from "../core/clock.ts";
import type { Store } from "../core/store/database.ts";
import { takeOldAge } from "../core/store/limits/rejoin-lines.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";
import { createRinger, RING_LEAD_MS } from "./ring-ahead.ts";

/** The database's clock may be a little behind. */
const AFTER_MS = 50;

export interface RetryAging {
  add(retries: StagedRun[]): void;
  close(): Promise<void>;
}

export function createRetryAging(
  store: Pick<Store, "pool">,
  clock: Clock,
  failed: (error: unknown) => void,
): RetryAging {
  const timer = createRinger(
    {
      ring: (due) =>
        takeOldAge(
          store,
          due.map(({ runId }) => runId),
        ),
    },
    clock,
    { rung() {}, failed },
  );
  return {
    add(retries) {
      timer.add(
        retries.map(({ runId, availableAt }) => ({
          runId,
          availableAt: new Date(availableAt.getTime() + RING_LEAD_MS + AFTER_MS),
        })),
      );
    },
    close: () => timer.close(),
  };
}
