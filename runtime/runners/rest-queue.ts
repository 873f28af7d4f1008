/** A server that has too much to do rests the queue of whoever called it, where the queue says so. */
import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import { MAX_RETRY_AFTER_MS } from "../../core/domain/retry.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { TaskRunner } from "./task-runner.ts";

const OVERLOADED = new Set([429, 503]);

/** @param rest pauses the queue of the run, if it is one that rests. Before the attempt has ended: none follows it. */
export const restingQueue = (
  run: TaskRunner,
  rest: (run: ClaimedRun, restMs: number) => Promise<void>,
  onError: (error: unknown) => void,
): TaskRunner => {
  const runResting: TaskRunner = async (claimed, context) => {
    const outcome = await run(claimed, context);
    const restMs = findRestMs(outcome);
    if (restMs > 0) await rest(claimed, restMs).catch(onError);
    return outcome;
  };
  // Only who holds permits is in a queue that may rest.
  return (claimed, context) => (claimed.holdsPermits ? runResting(claimed, context) : run(claimed, context));
};

function findRestMs(outcome: AttemptOutcome): number {
  if (outcome.kind !== "failed" || outcome.retryAfterMs === undefined) return 0;
  const { status } = (outcome.error.details ?? {}) as { status?: number };
  return OVERLOADED.has(status ?? 0) ? Math.min(outcome.retryAfterMs, MAX_RETRY_AFTER_MS) : 0;
}
