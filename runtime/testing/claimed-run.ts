import type { TaskPolicy } from "../../core/contracts/task-policy.ts";
import { type AttemptOutcome, failed } from "../../core/domain/attempt.ts";
import { newId } from "../../core/store/ids.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { takePolicy } from "../../core/store/testing/samples.ts";
import type { AttemptContext } from "../runners/task-runner.ts";

/** A claimed run of an http task, with what the test says about it. */
export function claimedRun(given: Partial<ClaimedRun & TaskPolicy> = {}): ClaimedRun {
  const { policy, fields } = takePolicy(given);
  return {
    id: newId(),
    claimNo: 1,
    namespaceId: newId(),
    taskId: newId(),
    spec: { type: "http", method: "GET", url: "http://127.0.0.1/", headers: {}, followRedirects: true },
    attempt: 1,
    attemptOffset: 0,
    policy,
    scheduledFor: new Date(0),
    limitsFrom: null,
    startedAt: new Date(0),
    functionId: null,
    revisionId: null,
    trigger: "schedule",

    holdsPermits: false,
    hasCallbacks: false,
    traceparent: null,
    ...fields,
  };
}

/** An attempt that succeeded, with what the test says about it. */
export function finishedAttempt(given: Partial<FinishedAttempt> = {}): FinishedAttempt {
  return {
    runId: newId(),
    claimNo: 1,
    namespaceId: newId(),
    taskId: newId(),
    type: "http",
    trigger: "schedule",
    functionId: null,
    functionName: null,
    holdsPermits: false,
    hasCallbacks: false,
    revisionId: null,
    verdict: { state: "succeeded", result: null },
    record: {
      attempt: 1,
      workerId: newId(),
      startedAt: new Date(0).toISOString(),
      finishedAt: new Date(1).toISOString(),
      error: null,
    },
    logs: [],
    ...given,
  };
}

/** A runner that goes on until its signal aborts, and then answers as runners do. */
export function runUntilAborted(_run: ClaimedRun, { signal }: AttemptContext): Promise<AttemptOutcome> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(failed("aborted", "stopped", { retryable: true })));
  });
}
