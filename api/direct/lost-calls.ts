/**
 * Calls whose worker went: what ran must be in the books even then. A run that was shown is rescued like any other; one
 * that nobody wrote is written here as failed, once its worker can no longer write it.
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import type { FinishedDirectRun } from "../../core/store/runs/direct.ts";

/** Longer than a worker that is only cut off takes to record what it ran. */
const WRITTEN_AFTER_MS = 30_000;
const RETRY_MS = 2_000;

export interface LostCalls {
  add(call: DirectCall, workerId: string): void;
  /** Writes those that are left, at once. */
  flush(): Promise<void>;
}

export function createLostCalls(
  write: (workerId: string, runs: FinishedDirectRun[]) => Promise<unknown>,
  clock: Clock,
  onError: (error: unknown, runId: string) => void,
): LostCalls {
  const closing = new AbortController();
  const writing = new Set<Promise<void>>();

  async function writeLater(workerId: string, run: FinishedDirectRun): Promise<void> {
    await clock.sleep(WRITTEN_AFTER_MS, closing.signal);
    for (;;) {
      try {
        await write(workerId, [run]);
        return;
      } catch (error) {
        onError(error, run.runId);
        if (closing.signal.aborted) return;
        await clock.sleep(RETRY_MS, closing.signal);
      }
    }
  }

  return {
    add(call, workerId) {
      const written: Promise<void> = writeLater(workerId, toLostRun(call, workerId, clock.now())).finally(
        () => writing.delete(written),
      );
      writing.add(written);
    },
    async flush() {
      closing.abort();
      await Promise.all(writing);
    },
  };
}

function toLostRun(call: DirectCall, workerId: string, now: Date): FinishedDirectRun {
  const message = "The worker that ran this call went away; nothing is known of its end.";
  const error = { code: "worker_lost", message };
  const { runId, namespaceId, functionId, revisionId, input, traceparent } = call;
  const at = now.toISOString();
  return {
    ...{ runId, claimNo: 1, namespaceId, taskId: null, type: "function", functionId, revisionId, input },
    verdict: { state: "failed", error },
    record: { attempt: 1, workerId, startedAt: at, finishedAt: at, error },
    logs: [],
    trigger: call.http ? "http" : "invoke",
    timeoutMs: 0,
    durationMs: 0,
    traceparent,
  };
}
