/**
 * Calls whose worker is lost. Their runs are ended here before their callers are told, so that both say the same; a
 * result from a worker that comes back is dropped.
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectCall, DirectOutcome } from "../../core/contracts/direct-call.ts";
import type { Run } from "../../core/contracts/run.ts";
import { OUTCOME_UNKNOWN, WORKER_LOST } from "../../core/domain/run-errors.ts";
import type { FinishedDirectRun } from "../../core/store/runs/direct.ts";
import { DIRECT_CLAIM_NO } from "../../core/store/runs/insert.ts";
import { toCallEnd } from "../calls/call-end.ts";

const UNKNOWN: DirectOutcome = { state: "failed", error: OUTCOME_UNKNOWN };

/** A database that does not answer keeps no caller longer than this. */
const ANSWER_WITHIN_MS = 5_000;
const RETRY_MS = 500;

export interface LostCalls {
  /** Ends the call's run; resolves with what its caller is told. Never rejects. */
  settle(call: DirectCall, workerId: string): Promise<DirectOutcome>;
  /** Resolves when what is under way has been tried once more, or a database that hangs was waited for. */
  flush(): Promise<void>;
}

/** @param end ends the run unless it has ended, and answers it as it stands; undefined: it is nowhere */
export function createLostCalls(
  end: (workerId: string, lost: FinishedDirectRun) => Promise<Run | undefined>,
  clock: Clock,
  onError: (error: unknown, runId: string) => void,
): LostCalls {
  const closing = new AbortController();
  const ending = new Set<Promise<DirectOutcome>>();

  async function endForSure(workerId: string, lost: FinishedDirectRun): Promise<DirectOutcome> {
    for (;;) {
      try {
        const run = await end(workerId, lost);
        const outcome = run ? toCallEnd(run) : UNKNOWN;
        if (outcome) return outcome;
      } catch (error) {
        onError(error, lost.runId);
      }
      if (closing.signal.aborted) return UNKNOWN;
      await clock.sleep(RETRY_MS, closing.signal);
    }
  }

  return {
    async settle(call, workerId) {
      const ended = endForSure(workerId, toLostRun(call, workerId, clock.now())).finally(() =>
        ending.delete(ended),
      );
      ending.add(ended);
      const answered = new AbortController();
      const late = clock.sleep(ANSWER_WITHIN_MS, answered.signal).then(() => UNKNOWN);
      return await Promise.race([ended, late]).finally(() => answered.abort());
    },
    async flush() {
      closing.abort();
      const ended = new AbortController();
      const late = clock.sleep(ANSWER_WITHIN_MS, ended.signal);
      await Promise.race([Promise.all(ending), late]).finally(() => ended.abort());
    },
  };
}

function toLostRun(call: DirectCall, workerId: string, now: Date): FinishedDirectRun {
  const { runId, namespaceId, functionId, functionName, revisionId, tag, input, traceparent } = call;
  const at = now.toISOString();
  return {
    ...{ runId, namespaceId, taskId: null, type: "function", functionId, functionName, revisionId, input },
    claimNo: DIRECT_CLAIM_NO,
    holdsPermits: false,
    hasOwnClock: true,
    hasCallbacks: false,
    verdict: { state: "failed", error: WORKER_LOST },
    record: { attempt: 1, workerId, startedAt: at, finishedAt: at, error: WORKER_LOST },
    logs: [],
    trigger: call.http ? "http" : "invoke",
    target: tag === undefined ? undefined : { tag },
    timeoutMs: 0,
    durationMs: 0,
    traceparent,
  };
}
