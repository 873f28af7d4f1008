/**
 * Attempts that the server completes after its response: deferred → what its call says or, if the call comes before the
 * worker has recorded the response, running → the same, and the worker then finds its claim gone. Nothing counts twice:
 * each call takes the row by its claim's number, under its lock. Deferred runs that nobody completes in time also end
 * here.
 */
import type { AttemptRecord } from "../../contracts/run.ts";
import { policyWithoutTask, type TaskPolicy } from "../../contracts/task-policy.ts";
import type { AttemptEnd } from "../../domain/attempt.ts";
import { failOverdue, findNextCompleteBy } from "../../domain/completion.ts";
import { mayHoldNext } from "../../domain/overlap.ts";
import { decideVerdict } from "../../domain/retry.ts";
import { findDeadline } from "../../domain/run-time-limits.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { askServer, type LeaseJudge } from "../contact.ts";
import type { QueryScope, Store } from "../database.ts";
import { fromJoinedPolicy, JOINED_POLICY, type JoinedPolicy } from "../tasks/policy-columns.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import type { EndedRun } from "./end.ts";
import { endAttemptsOfOthers } from "./finish.ts";
import type { FinishedAttempt } from "./finished-attempt.ts";

/** One attempt at a run: a later claim has another number. */
export interface ClaimedAttempt {
  runId: string;
  claimNo: number;
}

/** An attempt under way, its row locked. */
interface OpenAttempt extends ClaimedAttempt {
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  trigger: RunTrigger;
  attempt: number;
  attemptOffset: number;
  scheduledFor: Date;
  limitsFrom: Date | null;
  startedAt: Date;
  workerId: string;
  completeBy: Date | null;
  isDeferred: boolean;
  hasCallbacks: boolean;
  /** Its task, or what it was given, names secrets. */
  namesSecrets: boolean;
  now: Date;
}

const OPEN_ATTEMPTS = `
  SELECT r.id AS "runId", r.claim_no AS "claimNo", r.namespace_id AS "namespaceId", r.task_id AS "taskId", r.type,
    r.trigger, r.attempt, r.attempt_offset AS "attemptOffset", r.scheduled_for AS "scheduledFor",
    r.redriven_at AS "limitsFrom", r.started_at AS "startedAt", r.worker_id AS "workerId",
    r.complete_by AS "completeBy", r.state = 'deferred' AS "isDeferred", r.on_end IS NOT NULL AS "hasCallbacks",
    coalesce(t.spec ? 'secretsIn', false) OR coalesce(r.input ? 'secretsIn', false) AS "namesSecrets",
    clock_timestamp() AS now, ${JOINED_POLICY}
  FROM task_runs_open r LEFT JOIN tasks t ON t.id = r.task_id`;

const FIND_ONE = `${OPEN_ATTEMPTS}
  WHERE r.id = $1 AND r.claim_no = $2 AND r.state IN ('running', 'deferred') FOR UPDATE OF r`;

const FIND_OVERDUE = `${OPEN_ATTEMPTS}
  WHERE r.state = 'deferred' AND r.complete_by <= statement_timestamp()
  ORDER BY r.complete_by LIMIT $1 FOR UPDATE OF r SKIP LOCKED`;

type OpenRow = OpenAttempt & JoinedPolicy;

/** Whose the run is; undefined: the attempt is over. */
export async function findOpenAttempt(
  { pool }: QueryScope,
  { runId, claimNo }: ClaimedAttempt,
): Promise<{ namespaceId: string } | undefined> {
  const { rows } = await pool.query<{ namespaceId: string }>({
    name: "find-open-attempt",
    text: `SELECT namespace_id AS "namespaceId" FROM task_runs_open
      WHERE id = $1 AND claim_no = $2 AND state IN ('running', 'deferred')`,
    values: [runId, claimNo],
  });
  return rows[0];
}

/**
 * Ends the attempt. Undefined: it is over, and nothing was changed.
 * @param decide how it ends; it may read through `tx`
 */
export async function completeAttempt(
  store: Store,
  attempt: ClaimedAttempt,
  decide: (facts: Pick<OpenAttempt, "namespaceId" | "namesSecrets">, tx: QueryScope) => Promise<AttemptEnd>,
): Promise<EndedRun | undefined> {
  return await inTransaction(store.pool, async (tx) => {
    const open = await lockAttempt(tx, attempt);
    if (!open) return undefined;
    const [ended] = await endOpen(tx, [[open, await decide(open, tx)]]);
    return ended;
  });
}

/** It goes on: until when, where it waits already. Undefined: it is over. */
export async function extendAttempt(
  store: Store,
  attempt: ClaimedAttempt,
): Promise<{ completeBy: Date | null } | undefined> {
  return await inTransaction(store.pool, async (tx) => {
    const open = await lockAttempt(tx, attempt);
    // One whose answer is not recorded yet begins to wait with that.
    if (!open?.isDeferred) return open && { completeBy: null };
    const completeBy = findNextCompleteBy(open.now, limitsOf(open));
    await tx.pool.query("UPDATE task_runs_open SET complete_by = $2 WHERE id = $1", [open.runId, completeBy]);
    return { completeBy };
  });
}

async function lockAttempt(
  tx: Transaction,
  { runId, claimNo }: ClaimedAttempt,
): Promise<OpenRow | undefined> {
  const { rows } = await tx.pool.query<OpenRow>({
    name: "lock-open-attempt",
    text: FIND_ONE,
    values: [runId, claimNo],
  });
  return rows[0];
}

/**
 * Ends up to `limit` deferred runs of which nothing was heard in time. Not while contact with the database has just come
 * back: nobody could be heard without it.
 */
export async function endOverdueAttempts(
  store: Store,
  judge: LeaseJudge,
  limit: number,
): Promise<EndedRun[]> {
  return await inTransaction(store.pool, async (tx) => {
    if (!judge.mayJudge(await askServer(tx.db))) return [];
    const { rows } = await tx.pool.query<OpenRow>({
      name: "overdue-attempts",
      text: FIND_OVERDUE,
      values: [limit],
    });
    return await endOpen(
      tx,
      rows.map((row) => [row, failOverdue(row.completeBy!, limitsOf(row))]),
    );
  });
}

/** For this transaction they are at their workers again: then they end like any run that is. */
const RESUME = {
  name: "resume-deferred",
  text: "UPDATE task_runs_open SET state = 'running', complete_by = NULL WHERE id = ANY($1::uuid[])",
};

async function endOpen(tx: Transaction, ends: [OpenRow, AttemptEnd][]): Promise<EndedRun[]> {
  const deferred = ends.flatMap(([{ runId, isDeferred }]) => (isDeferred ? [runId] : []));
  if (deferred.length > 0) await tx.pool.query({ ...RESUME, values: [deferred] });
  return await endAttemptsOfOthers(
    tx,
    "completion",
    ends.map(([open, end]) => toFinished(open, end)),
  );
}

const policyOf = (row: OpenRow): TaskPolicy => fromJoinedPolicy(row) ?? policyWithoutTask(row.trigger, null);

function limitsOf(row: OpenRow) {
  const { timeoutMs, deadlineMs } = policyOf(row);
  return { timeoutMs, deadlineAt: findDeadline(row, deadlineMs) };
}

function toFinished(open: OpenRow, end: AttemptEnd): FinishedAttempt {
  const { runId, claimNo, namespaceId, taskId, type, trigger, hasCallbacks, now } = open;
  const policy = policyOf(open);
  const facts = { ...policy, ...limitsOf(open), attempt: open.attempt - open.attemptOffset };
  const record: AttemptRecord = {
    attempt: open.attempt,
    workerId: open.workerId,
    startedAt: open.startedAt.toISOString(),
    finishedAt: now.toISOString(),
    error: "error" in end ? end.error : null,
  };
  return {
    ...{ runId, claimNo, namespaceId, taskId, type, trigger, hasCallbacks, record },
    ...{ functionId: null, functionName: null, revisionId: null, holdsPermits: false, logs: [] },
    verdict: decideVerdict(end, facts, now),
    ...(policy.pauseAfterFailures === null ? {} : { pausesTask: true as const }),
    ...(mayHoldNext(trigger, policy) ? { mayHoldNext: true as const } : {}),
  };
}
