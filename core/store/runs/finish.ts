/**
 * running → what the attempt made of it, in batches. Every line is fenced by run, worker and claim number: a run
 * that was rescued meanwhile is not touched, and its late logs are dropped with its late result.
 */
import type pg from "pg";
import type { AttemptRecord } from "../../contracts/run.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { Json, JsonObject } from "../../json.ts";
import type { Store } from "../database.ts";
import { retryDeadlock } from "../deadlock.ts";
import { toJsonText } from "../json-text.ts";
import { givePermitsBack } from "../limits/permits.ts";
import { recountReturned } from "../limits/recount-permits.ts";
import { returnPermits } from "../limits/return-permits.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import {
  type EndCause,
  type EndedRun,
  endedColumns,
  KEEP_OPEN,
  KEEP_OPEN_CALLING,
  MOVE_CALLING,
  MOVE_EXPIRED,
  MOVE_LIMITED,
  MOVE_TERMINAL,
} from "./end.ts";

export interface FinishedAttempt {
  runId: string;
  claimNo: number;
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  trigger: RunTrigger;
  functionId: string | null;
  functionName: string | null;
  revisionId: string | null;
  /** What the claim knew of its run: the row knows more, where a limit was set meanwhile. */
  holdsPermits: boolean;
  /** Its end calls somebody: known from its beginning on. */
  hasCallbacks: boolean;
  verdict: RunVerdict;
  record: AttemptRecord;
  /** The record's times are by the clock of who ran it. Absent: by the clock of its row, which told when it began. */
  hasOwnClock?: true;
  logs: AttemptLogLine[];
  /** Its task wants to be paused after so many that failed; left out: it does not. */
  pausesTask?: true;
  /** What is kept of a call's input, where `record.input` says so. */
  input?: Json;
  /** Of a call that did not succeed, and that has no row yet, what it was given where `input` is something else. */
  originalInput?: Json | undefined;
}

export interface AttemptLogLine {
  at: Date;
  level: string;
  message: string;
  fields?: JsonObject | undefined;
}

export interface FinishReport {
  /** Those of the attempts whose runs were still this worker's, by the claim they were made under. */
  recorded: Set<FinishedAttempt>;
  /** What became of their runs: whoever must know is told. */
  ended: EndedRun[];
}

interface FinishedRow {
  id: string;
  claimNo: number;
  awaited: boolean;
  permits: string[] | null;
  wantedKeys?: string[] | null;
}

/**
 * Records a batch of attempts that ended, with their logs: one statement, or several in one transaction where some stay
 * open, have not begun, or call somebody. A run that waits for a retry and was asked to stop meanwhile ends as cancelled
 * instead.
 */
export async function finishAttempts(
  store: Store,
  workerId: string,
  attempts: FinishedAttempt[],
): Promise<FinishReport> {
  if (attempts.some((attempt) => staysOpen(attempt) || isExpired(attempt) || attempt.hasCallbacks))
    return await inTransaction(store.plannedPool, async (tx) =>
      toReport(await writeInTransaction(tx, { workerId, attempts })),
    );
  const isLimited = attempts.some(({ holdsPermits }) => holdsPermits);
  const statement = isLimited ? MOVE_LIMITED : MOVE_TERMINAL;
  const written = await retryDeadlock(() =>
    writeVerdicts(store.plannedPool, statement, { workerId, attempts }),
  );
  if (isLimited) return toReport(written);
  // A limit that was set while they ran, or a count of permits, has given them some. They have ended: what cannot be
  // counted off now is found by the next count.
  return toReport(await countOff(store, written).catch(() => written));
}

/** The same in a transaction, of attempts of any workers, which are lost; `attempts` have their runs' rows locked. */
export async function endLostAttempts(tx: Transaction, attempts: FinishedAttempt[]): Promise<EndedRun[]> {
  return toReport(await writeInTransaction(tx, { workerId: null, attempts })).ended;
}

interface Batch {
  /** Null: that of each attempt's record, and it is lost. */
  workerId: string | null;
  attempts: FinishedAttempt[];
}

const staysOpen = ({ verdict }: FinishedAttempt) => verdict.state === "scheduled" || verdict.state === "dead";
const isExpired = ({ verdict }: FinishedAttempt) => verdict.state === "expired";

async function writeInTransaction(tx: Transaction, { workerId, attempts }: Batch): Promise<WrittenEnd[]> {
  const open = attempts.filter(staysOpen);
  const kept = await writeVerdicts(tx.pool, callsBack(open) ? KEEP_OPEN_CALLING : KEEP_OPEN, {
    workerId,
    attempts: open,
  });
  const isKept = new Set(kept.map(({ attempt }) => attempt));
  const unwanted = open.filter((attempt) => attempt.verdict.state === "scheduled" && !isKept.has(attempt));
  const cancelled = new Map(unwanted.map((attempt) => [toCancelled(attempt), attempt]));
  const terminal = attempts.filter((attempt) => !staysOpen(attempt) && !isExpired(attempt));
  const ending = [...terminal, ...cancelled.keys()];
  const moved = await writeVerdicts(tx.pool, callsBack(ending) ? MOVE_CALLING : MOVE_TERMINAL, {
    workerId,
    attempts: ending,
  });
  const expired = await writeVerdicts(tx.pool, MOVE_EXPIRED, {
    workerId,
    attempts: attempts.filter(isExpired),
  });
  return await returnAll(tx, [
    ...kept,
    ...expired,
    ...moved.map((end) => ({ ...end, attempt: cancelled.get(end.attempt) ?? end.attempt })),
  ]);
}

const callsBack = (attempts: FinishedAttempt[]) => attempts.some(({ hasCallbacks }) => hasCallbacks);

/** In one statement at the end of all: nobody waits for a limit's lock while it holds another. */
async function returnAll(tx: Transaction, written: WrittenEnd[]): Promise<WrittenEnd[]> {
  const permits = written.map(({ permits }) => permits);
  return withWanted(written, await returnPermits(tx, permits));
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

const toCancelled = (attempt: FinishedAttempt): FinishedAttempt => ({
  ...attempt,
  verdict: { state: "cancelled" },
});

interface WrittenEnd {
  attempt: FinishedAttempt;
  ended: EndedRun;
  /** Those that the run held. */
  permits: string[] | null;
}

/** Those of the attempts whose runs were still their worker's. */
async function writeVerdicts(
  client: pg.Pool | pg.PoolClient,
  statement: { name: string; text: string },
  { workerId, attempts }: Batch,
): Promise<WrittenEnd[]> {
  if (attempts.length === 0) return [];
  const verdicts = workerId === null ? attempts.map(toLostRow) : attempts.map(toVerdictRow);
  const values = [workerId, toJsonText(verdicts)];
  const { rows } = await client.query<FinishedRow>({ ...statement, values });
  const written = new Map(rows.map((row) => [toKey({ runId: row.id, claimNo: row.claimNo }), row]));
  return attempts.flatMap((attempt) => {
    const row = written.get(toKey(attempt));
    const cause = workerId === null ? "rescue" : "worker";
    return row ? [{ attempt, ended: toEndedRun(attempt, cause, row), permits: row.permits }] : [];
  });
}

/** A run may be in a batch twice: once by the claim that was lost, once by the claim that took it back. */
const toKey = ({ runId, claimNo }: Pick<FinishedAttempt, "runId" | "claimNo">) => `${runId}/${claimNo}`;

function toReport(written: WrittenEnd[]): FinishReport {
  return {
    recorded: new Set(written.map(({ attempt }) => attempt)),
    ended: written.map(({ ended }) => ended),
  };
}

export function toEndedRun(
  attempt: FinishedAttempt,
  cause: EndCause,
  { awaited = false, wantedKeys = null }: Partial<Pick<FinishedRow, "awaited" | "wantedKeys">> = {},
): EndedRun {
  const { runId, claimNo, namespaceId, taskId, type, trigger, functionId, functionName, hasCallbacks } =
    attempt;
  const { verdict, record } = attempt;
  return {
    ...{ runId, claimNo, namespaceId, taskId, type, trigger, functionId, functionName },
    ...{ cause, awaited, wantedKeys, hasCallbacks },
    attempt: record.attempt,
    state: verdict.state,
    error: "error" in verdict ? verdict.error : null,
    startedAt: record.startedAt == null ? null : new Date(record.startedAt),
    endedAt: new Date(record.finishedAt),
    ...(attempt.pausesTask ? { pausesTask: true } : {}),
  };
}

/** Who takes the run of a lost worker knows no more than that it is over now. */
const toLostRow = (attempt: FinishedAttempt) => ({
  ...toVerdictRow({ ...attempt, hasOwnClock: true }),
  took_ms: undefined,
  worker_id: attempt.record.workerId,
});

/** How long it took, where its times are by another clock. */
function toDuration({ startedAt, finishedAt, ...record }: AttemptRecord) {
  return { record, took_ms: startedAt === null ? 0 : Date.parse(finishedAt) - Date.parse(startedAt) };
}

/** What there is not is left out: each field of each row costs the database a little. */
export function toVerdictRow(attempt: FinishedAttempt) {
  const { runId, claimNo, revisionId, verdict, input } = attempt;
  return {
    id: runId,
    claim_no: claimNo,
    revision_id: revisionId ?? undefined,
    state: verdict.state,
    available_at: verdict.state === "scheduled" ? verdict.availableAt : undefined,
    // A JSON null as the result of a function is a result: stored as such, read back as null.
    result: "result" in verdict ? verdict.result : null,
    error: "error" in verdict ? verdict.error : undefined,
    ...(attempt.hasOwnClock ? toDuration(attempt.record) : { record: attempt.record }),
    input: input ?? undefined,
    lines: attempt.logs.length === 0 ? undefined : toLines(attempt),
  };
}

function toLines({ record, logs }: FinishedAttempt) {
  const startedMs = Date.parse(record.startedAt ?? record.finishedAt);
  return logs.map(({ at, level, message, fields }) => ({
    since_ms: at.getTime() - startedMs,
    level,
    message,
    fields,
  }));
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
