/** running → next attempt, or the end: runs whose worker's lease has expired. */
import { sql } from "kysely";
import type { AttemptRecord } from "../../contracts/run.ts";
import { policyWithoutTask } from "../../contracts/task-policy.ts";
import type { AttemptEnd } from "../../domain/attempt.ts";
import { mayHoldNext } from "../../domain/overlap.ts";
import { decideVerdict } from "../../domain/retry.ts";
import { WORKER_LOST } from "../../domain/run-errors.ts";
import { findDeadline } from "../../domain/run-time-limits.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { askServer, type LeaseJudge } from "../contact.ts";
import type { Store } from "../database.ts";
import { fromJoinedPolicy, JOINED_POLICY, type JoinedPolicy } from "../tasks/policy-columns.ts";
import { inTransaction } from "../transaction.ts";
import type { EndedRun } from "./end.ts";
import { endAttemptsOfOthers } from "./finish.ts";
import type { FinishedAttempt } from "./finished-attempt.ts";

type LostRun = JoinedPolicy & LostRow;

interface LostRow {
  id: string;
  task_id: string | null;
  namespace_id: string;
  claim_no: number;
  attempt: number;
  attempt_offset: number;
  scheduled_for: Date;
  redriven_at: Date | null;
  started_at: Date;
  worker_id: string;
  cancel_requested_at: Date | null;
  type: TaskType;
  trigger: RunTrigger;
  function_id: string | null;
  function_name: string | null;
  revision_id: string | null;
  max_attempts: number | null;
  has_callbacks: boolean;
}

/**
 * Takes up to `limit` runs of workers that are gone and decides each as a failed attempt. Leases are compared with the
 * instant at which `judge` was asked, in the same transaction: a database that stands still from then on makes no
 * living worker look lost.
 */
export async function rescueLostRuns(
  store: Store,
  now: Date,
  judge: LeaseJudge,
  limit: number,
): Promise<EndedRun[]> {
  return await inTransaction(store.leasePool, async (tx) => {
    const word = await askServer(tx.db);
    if (!judge.mayJudge(word)) return [];
    const { rows: lost } = await sql<LostRun>`
      SELECT r.id, r.claim_no, r.task_id, r.namespace_id, r.attempt, r.attempt_offset, r.scheduled_for, r.redriven_at,
        r.started_at, r.worker_id,
        r.cancel_requested_at, r.type, r.trigger, r.function_id, f.name AS function_name, r.revision_id, r.max_attempts,
        r.on_end IS NOT NULL AS has_callbacks, ${sql.raw(JOINED_POLICY)}
      FROM task_runs_open r LEFT JOIN tasks t ON t.id = r.task_id LEFT JOIN functions f ON f.id = r.function_id
      WHERE r.state = 'running'
        AND NOT EXISTS (SELECT FROM workers w
          WHERE w.id = r.worker_id AND w.lease_until > ${word.exactAt}::timestamptz)
      LIMIT ${limit} FOR UPDATE OF r SKIP LOCKED`.execute(tx.db);
    return await endAttemptsOfOthers(
      tx,
      "rescue",
      lost.map((run) => toLostAttempt(run, now)),
    );
  });
}

const LOST: AttemptEnd = { kind: "failed", error: WORKER_LOST, retryable: true };

function decideLost(run: LostRun, now: Date) {
  const policy = fromJoinedPolicy(run) ?? policyWithoutTask(run.trigger, run.max_attempts);
  const times = { scheduledFor: run.scheduled_for, limitsFrom: run.redriven_at };
  const deadlineAt = findDeadline(times, policy.deadlineMs);
  const facts = { ...policy, deadlineAt, attempt: run.attempt - run.attempt_offset };
  return decideVerdict(run.cancel_requested_at ? { kind: "cancelled" } : LOST, facts, now);
}

function toLostAttempt(run: LostRun, now: Date): FinishedAttempt {
  const policy = fromJoinedPolicy(run);
  return {
    runId: run.id,
    claimNo: run.claim_no,
    namespaceId: run.namespace_id,
    taskId: run.task_id,
    type: run.type,
    trigger: run.trigger,
    functionId: run.function_id,
    functionName: run.function_name,
    revisionId: run.revision_id,
    holdsPermits: false,
    hasCallbacks: run.has_callbacks,
    verdict: decideLost(run, now),
    record: toRecord(run, now),
    logs: [],
    ...(policy?.pauseAfterFailures ? { pausesTask: true } : {}),
    ...(policy && mayHoldNext(run.trigger, policy) ? { mayHoldNext: true } : {}),
  };
}

function toRecord(run: LostRun, now: Date): AttemptRecord {
  return {
    attempt: run.attempt,
    workerId: run.worker_id,
    startedAt: run.started_at.toISOString(),
    finishedAt: now.toISOString(),
    error: WORKER_LOST,
  };
}
