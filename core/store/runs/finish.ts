/**
 * running → the result of the attempt, in batches. Every row is fenced by run, worker and claim number: a run that was
 * rescued meanwhile is not touched, and its late logs are dropped with its late result.
 */
import type pg from "pg";
import { createInstantReader } from "../../instant-text.ts";
import type { Store } from "../database.ts";
import { retryDeadlock } from "../deadlock.ts";
import { expectsFarLimits, noteLimits } from "../limits/far-limits.ts";
import { foldReturned } from "../limits/fold-returned.ts";
import { givePermitsBack } from "../limits/permits.ts";
import { recountReturned } from "../limits/recount-permits.ts";
import { returnPermits } from "../limits/return-permits.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { DEFER } from "./defer.ts";
import { type EndCause, type EndedRun, endedColumns } from "./end.ts";
import { type RecordingStatement, readEndAnswer, type ToldOfEnd } from "./end-answer.ts";
import {
  KEEP_OPEN,
  KEEP_OPEN_CALLING,
  MOVE_CALLING,
  MOVE_EXPIRED,
  MOVE_FAR,
  MOVE_LIMITED,
  MOVE_TERMINAL,
} from "./finish-statements.ts";
import { type FinishedAttempt, hasEnded, type TriedAttempt } from "./finished-attempt.ts";
import { toVerdictValues } from "./verdicts.ts";

export type { AttemptLogLine, FinishedAttempt, TriedAttempt } from "./finished-attempt.ts";

export interface FinishReport {
  /** Those of the attempts whose runs were still this worker's, by the claim they were made under. */
  recorded: Set<TriedAttempt>;
  /** What became of their runs: whoever must know is told. */
  ended: EndedRun[];
}

/**
 * Records a batch of attempts that ended, with their logs: one statement, or several in one transaction where some stay
 * open, have not begun, or call somebody. A run that waits for a retry, or to be completed, and was asked to stop
 * meanwhile ends as cancelled instead.
 */
export async function finishAttempts(
  store: Store,
  workerId: string,
  attempts: TriedAttempt[],
): Promise<FinishReport> {
  if (!attempts.every(hasEnded) || attempts.some(isSpecial))
    return await inTransaction(store.plannedPool, async (tx) =>
      toReport(await writeInTransaction(tx, { workerId, attempts })),
    );
  const isLimited = attempts.some(({ holdsPermits }) => holdsPermits);
  const statement = isLimited ? (expectsFarLimits(store) ? MOVE_FAR : MOVE_LIMITED) : MOVE_TERMINAL;
  const ends = await retryDeadlock(() =>
    writeVerdicts(store.plannedPool, statement, { workerId, attempts, cause: "worker" }),
  );
  if (isLimited) return toReport({ ends: await noteNear(store, ends) });
  // A limit that was set while they ran, or a count of permits, has given them some. They have ended: what cannot be
  // counted off now is found by the next count.
  return toReport({ ends: await countOff(store, ends).catch(() => ends) });
}

const isSpecial = (attempt: FinishedAttempt) =>
  staysOpen(attempt) || isExpired(attempt) || attempt.hasCallbacks;

/**
 * The same in a transaction, of attempts that ended away from their workers, or with them: each is of the worker that its
 * record names, and has its run's row locked.
 */
export async function endAttemptsOfOthers(
  tx: Transaction,
  cause: "rescue" | "completion",
  attempts: FinishedAttempt[],
): Promise<EndedRun[]> {
  return toReport(await writeInTransaction(tx, { workerId: null, attempts, cause })).ended;
}

interface Batch<A extends TriedAttempt = FinishedAttempt> {
  /** Null: that of each attempt's record. */
  workerId: string | null;
  attempts: A[];
  /** Default: the worker. */
  cause?: EndCause;
}

const staysOpen = ({ verdict }: FinishedAttempt) => verdict.state === "scheduled" || verdict.state === "dead";
const isExpired = ({ verdict }: FinishedAttempt) => verdict.state === "expired";

async function writeInTransaction(tx: Transaction, batch: Batch<TriedAttempt>): Promise<Written> {
  const { attempts } = batch;
  const of = <A extends TriedAttempt>(some: A[]): Batch<A> => ({ ...batch, attempts: some });
  const ended = attempts.filter(hasEnded);
  const open = ended.filter(staysOpen);
  const kept = await writeVerdicts(tx.pool, callsBack(open) ? KEEP_OPEN_CALLING : KEEP_OPEN, of(open));
  const deferrable = attempts.filter((attempt) => !hasEnded(attempt));
  const deferred = (await writeRows(tx.pool, DEFER, of(deferrable))).map(([attempt]) => attempt);
  const isKept = new Set<TriedAttempt>([...kept.map(({ attempt }) => attempt), ...deferred]);
  const unwanted = attempts.filter(
    (attempt) => /^(scheduled|deferred)$/.test(attempt.verdict.state) && !isKept.has(attempt),
  );
  const cancelled = unwanted.map(toCancelled);
  const unwantedOf = new Map<TriedAttempt, TriedAttempt>(
    cancelled.map((attempt, index) => [attempt, unwanted[index]!]),
  );
  const terminal = ended.filter((attempt) => !staysOpen(attempt) && !isExpired(attempt));
  const ending = [...terminal, ...cancelled];
  const moved = await writeVerdicts(tx.pool, callsBack(ending) ? MOVE_CALLING : MOVE_TERMINAL, of(ending));
  const expired = await writeVerdicts(tx.pool, MOVE_EXPIRED, of(ended.filter(isExpired)));
  const ends = await returnAll(tx, [
    ...kept,
    ...expired,
    ...moved.map((end) => ({ ...end, attempt: unwantedOf.get(end.attempt) ?? end.attempt })),
  ]);
  return { ends, deferred };
}

const callsBack = (attempts: FinishedAttempt[]) => attempts.some(({ hasCallbacks }) => hasCallbacks);

/** In one statement at the end of all: nobody waits for a limit's lock while it holds another. */
async function returnAll(tx: Transaction, written: WrittenEnd[]): Promise<WrittenEnd[]> {
  const permits = written.map(({ permits }) => permits);
  return withWanted(written, await returnPermits(tx, permits));
}

/** What came back of limits that are nearer than was expected is counted off: at the latest, the scheduler does. */
async function noteNear(store: Store, written: WrittenEnd[]): Promise<WrittenEnd[]> {
  const first = written[0];
  if (!first) return written;
  const { areFar, nearKeys } = first;
  if (!nearKeys) {
    noteLimits(store, areFar ?? true);
    return written;
  }
  const folded = await foldReturned(store, nearKeys).catch(() => undefined);
  noteLimits(store, folded?.areFar ?? false);
  return withWanted(written, folded?.wanted ?? []);
}

/** After the commit that ended them. */
async function countOff(store: Store, written: WrittenEnd[]): Promise<WrittenEnd[]> {
  const keys = new Set(written.flatMap(({ permits }) => permits ?? []));
  return keys.size === 0 ? written : withWanted(written, await recountReturned(store, [...keys]));
}

function withWanted(written: WrittenEnd[], wanted: string[]): WrittenEnd[] {
  if (wanted.length === 0) return written;
  const wantedOf = (permits: string[] | null) => permits?.filter((key) => wanted.includes(key)) ?? null;
  return written.map((end) => ({ ...end, ended: { ...end.ended, wantedKeys: wantedOf(end.permits) } }));
}

const toCancelled = (attempt: TriedAttempt): FinishedAttempt => ({
  ...attempt,
  verdict: { state: "cancelled" },
});

interface WrittenEnd {
  attempt: TriedAttempt;
  ended: EndedRun;
  /** Those that the run held, where they are not given back, or of limits that are near. */
  permits: string[] | null;
  areFar?: boolean | undefined;
  nearKeys?: string[] | null | undefined;
}

interface Written {
  ends: WrittenEnd[];
  /** Their attempts go on elsewhere. */
  deferred?: TriedAttempt[];
}

/** Those of the attempts whose runs were still their worker's. */
async function writeVerdicts(
  client: pg.Pool | pg.PoolClient,
  statement: RecordingStatement,
  batch: Batch,
): Promise<WrittenEnd[]> {
  const written = await writeRows(client, statement, batch);
  return written.map(
    ([attempt, row]): WrittenEnd => ({
      attempt,
      ended: toEndedRun(attempt, batch.cause ?? "worker", row),
      permits: row.permits ?? null,
      areFar: row.areFar,
      nearKeys: row.nearKeys,
    }),
  );
}

async function writeRows<A extends TriedAttempt>(
  client: pg.Pool | pg.PoolClient,
  statement: RecordingStatement,
  { workerId, attempts }: Batch<A>,
): Promise<[A, ToldOfEnd][]> {
  if (attempts.length === 0) return [];
  const { name, text } = statement;
  const values = toVerdictValues(workerId, attempts);
  return readEndAnswer(statement, attempts, await client.query({ name, text, values }));
}

function toReport({ ends, deferred = [] }: Written): FinishReport {
  return {
    recorded: new Set([...ends.map(({ attempt }) => attempt), ...deferred]),
    ended: ends.map(({ ended }) => ended),
  };
}

const [readStart, readEnd] = [createInstantReader(), createInstantReader()];

export function toEndedRun(
  attempt: FinishedAttempt,
  cause: EndCause,
  { awaited = false, wantedKeys = null }: Partial<Pick<ToldOfEnd, "awaited" | "wantedKeys">> = {},
): EndedRun {
  const { verdict, record } = attempt;
  const ended: EndedRun = {
    runId: attempt.runId,
    claimNo: attempt.claimNo,
    namespaceId: attempt.namespaceId,
    taskId: attempt.taskId,
    type: attempt.type,
    trigger: attempt.trigger,
    functionId: attempt.functionId,
    functionName: attempt.functionName,
    cause,
    awaited,
    wantedKeys,
    hasCallbacks: attempt.hasCallbacks,
    attempt: record.attempt,
    state: verdict.state,
    error: "error" in verdict ? verdict.error : null,
    startedAt: record.startedAt == null ? null : readStart(record.startedAt),
    endedAt: readEnd(record.finishedAt),
  };
  if (attempt.pausesTask) ended.pausesTask = true;
  if (attempt.mayHoldNext) ended.mayHoldNext = true;
  return ended;
}

const RELEASE = `
  WITH released AS (
    UPDATE task_runs_open r SET state = 'queued', worker_id = NULL, started_at = NULL,
      started_xid = CASE WHEN r.attempts <> '[]' THEN r.started_xid END,
      available_at = statement_timestamp(), queued_at = statement_timestamp()
    FROM json_to_recordset($2::json) AS v(id uuid, "claimNo" int)
    WHERE r.id = v.id AND r.worker_id = $1 AND r.claim_no = v."claimNo" AND r.state = 'running'
      AND r.cancel_requested_at IS NULL
    RETURNING r.*
  ), ${givePermitsBack("released")}
  SELECT ${endedColumns("worker", { state: "'queued'" })} FROM released g`;

/**
 * running → queued: a worker gives back what it will not finish. The attempt does not count. Those that were asked to
 * stop are left to the lease: the rescue ends them as cancelled.
 */
export async function releaseRuns(
  store: Store,
  workerId: string,
  runs: { id: string; claimNo: number }[],
): Promise<EndedRun[]> {
  const values = [workerId, JSON.stringify(runs.map(({ id, claimNo }) => ({ id, claimNo })))];
  const { rows } = await retryDeadlock(() => store.pool.query<EndedRun>(RELEASE, values));
  return rows;
}
