/** Tasks, workers and runs as the tests of the store need them. */
import type { AttemptRecord } from "../../contracts/run.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import { DEFAULT_POLICY, type TaskPolicy } from "../../contracts/task-policy.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { LeaseJudge } from "../contact.ts";
import type { Db, Store } from "../database.ts";
import { deployRevision, type RevisionContent } from "../functions/deploy.ts";
import { newId } from "../ids.ts";
import { type ClaimedRun, claimDueRuns, claimRuns } from "../runs/claim.ts";
import type { EndedRun } from "../runs/end.ts";
import { enqueueInvocation, type InvocationRequest } from "../runs/enqueue.ts";
import type { AttemptLogLine, FinishedAttempt, TriedAttempt } from "../runs/finish.ts";
import { createTask } from "../tasks/create.ts";
import { renewLease } from "../workers.ts";

export const SAMPLE_ERROR = { code: "http_status", message: "The server answered 503." };

/** Fields of a task, those of its policy beside the others. */
export type GivenTask = Partial<TaskInput & TaskPolicy>;

export function httpTask(schedule: Schedule, given: GivenTask = {}): TaskInput {
  const { policy, fields } = takePolicy({ timeoutMs: 5_000, ...given });
  return {
    key: null,
    name: null,
    spec: { type: "http", method: "GET", url: "https://example.com/", headers: {}, followRedirects: true },
    schedule,
    policy,
    labels: {},
    on: null,
    ...fields,
  };
}

/** The policy that is given field by field, among other fields. */
export function takePolicy<Given extends Partial<TaskPolicy>>(given: Given) {
  const byWhere = Object.groupBy(Object.entries(given), ([name]) =>
    Object.hasOwn(DEFAULT_POLICY, name) ? "policy" : "fields",
  );
  return {
    policy: { ...DEFAULT_POLICY, ...Object.fromEntries(byWhere.policy ?? []) } as TaskPolicy,
    fields: Object.fromEntries(byWhere.fields ?? []) as Omit<Given, keyof TaskPolicy>,
  };
}

/** Leases may be judged at any time. */
export const ANY_TIME: LeaseJudge = { mayJudge: () => true };

/** A worker with a lease of a minute; its id. */
export async function makeWorker(db: Db, leaseMs = 60_000): Promise<string> {
  const id = newId();
  await renewLease(db, { id, host: "127.0.0.1", pid: 1, slots: 10 }, leaseMs, false);
  return id;
}

/** The id of a queued run, of a task of its own that fires at once. */
export async function queueRun(store: Store, namespaceId: string, given: GivenTask = {}): Promise<string> {
  const { run } = await createTask(store, {
    namespaceId,
    input: httpTask({ kind: "now" }, given),
    now: new Date(),
  });
  return run!.runId;
}

/** The id of a queued invocation of a function that is there. */
export async function queueInvocation(
  store: Store,
  namespaceId: string,
  functionName: string,
  given: Partial<InvocationRequest> = {},
): Promise<string> {
  const request = {
    runId: newId(),
    namespaceId,
    functionName,
    input: null,
    timeoutMs: 100,
    awaited: false,
    ...given,
  };
  const run = await enqueueInvocation(store, request);
  if (!run) throw new Error("there is no such function");
  return run.runId;
}

/** A run that `workerId` has claimed. */
export async function startRun(
  store: Store,
  namespaceId: string,
  workerId: string,
  given: GivenTask = {},
): Promise<ClaimedRun> {
  return await claim(store, workerId, await queueRun(store, namespaceId, given));
}

/** Claims one run; throws when it cannot be had. */
export async function claim(store: Store, workerId: string, runId: string): Promise<ClaimedRun> {
  const [claimed] = await claimRuns(store, workerId, [runId]);
  if (!claimed) throw new Error("the run could not be claimed");
  return claimed;
}

/** Claims the best runs that have been due for `overdueMs`. */
export async function claimDue(
  store: Store,
  workerId: string,
  limit: number,
  overdueMs: number,
): Promise<ClaimedRun[]> {
  return (await claimDueRuns(store, workerId, limit, overdueMs)).runs;
}

export function finished(
  run: ClaimedRun,
  workerId: string,
  verdict: RunVerdict,
  logs: AttemptLogLine[] = [],
): FinishedAttempt {
  const record: AttemptRecord = {
    attempt: run.attempt,
    workerId,
    startedAt: run.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    error: "error" in verdict ? verdict.error : null,
  };
  return {
    runId: run.id,
    claimNo: run.claimNo,
    namespaceId: run.namespaceId,
    taskId: run.taskId,
    type: run.spec.type,
    trigger: run.trigger,
    functionId: run.functionId,
    functionName: run.spec.type === "function" ? run.spec.function : null,
    holdsPermits: run.holdsPermits,
    hasCallbacks: run.hasCallbacks,
    revisionId: run.revisionId,
    verdict,
    record,
    logs,
  };
}

/** The verdict of a retryable failure, to be tried again after `waitMs`. */
export function retryAfter(waitMs: number): RunVerdict {
  return { state: "scheduled", availableAt: new Date(Date.now() + waitMs), error: SAMPLE_ERROR };
}

export function line(message: string, given: Partial<AttemptLogLine> = {}): AttemptLogLine {
  return { at: new Date(), level: "info", message, ...given };
}

export function revision(code: string, given: Partial<RevisionContent> = {}): RevisionContent {
  return {
    contentHash: `sha256:${code}`,
    entry: "main.ts",
    files: { "main.ts": code },
    code,
    sourceMap: "{}",
    limits: {},
    reuse: true,
    ...given,
  };
}

/** The id of a function with one revision; of a second one where it is deployed again with other limits. */
export async function deployFunction(
  db: Db,
  namespaceId: string,
  name: string,
  limits: AskedLimits = {},
): Promise<string> {
  const code = `export default () => "${name}"`;
  const contentHash = `sha256:${code}${JSON.stringify(limits)}`;
  return (await deployRevision(db, namespaceId, name, revision(code, { contentHash, limits }))).fn.id;
}

/** The limit keys that runs wait for, of all these ends. */
export function wantedKeysOf(ended: EndedRun[]): string[] {
  return [...new Set(ended.flatMap(({ wantedKeys }) => wantedKeys ?? []))];
}

/** An attempt that its server will complete, by then at the latest. */
export function deferred(
  run: ClaimedRun,
  workerId: string,
  completeBy: Date,
  logs: AttemptLogLine[] = [],
): TriedAttempt {
  const attempt = finished(run, workerId, { state: "cancelled" }, logs);
  return { ...attempt, verdict: { state: "deferred", completeBy } };
}
