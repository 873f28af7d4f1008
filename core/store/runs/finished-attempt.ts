/** An attempt as its runner left it, and as the statements that record it are told of it. */
import type { AttemptRecord } from "../../contracts/run.ts";
import type { Deferral, RunVerdict } from "../../domain/retry.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { createInstantReader } from "../../instant-text.ts";
import type { JsonObject } from "../../json.ts";
import type { JsonOrSource } from "../../json-source.ts";

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
  /** A later run of its task may wait for its end; left out: none does. */
  mayHoldNext?: true;
  /** What is kept of a call's input, where `record.input` says so. */
  input?: JsonOrSource;
  /** Of a call that did not succeed, and that has no row yet, what it was given where `input` is something else. */
  originalInput?: JsonOrSource | undefined;
}

export interface AttemptLogLine {
  at: Date;
  level: string;
  message: string;
  fields?: JsonObject | undefined;
}

/** One that goes on elsewhere, and is completed from there. */
export type DeferredAttempt = Omit<FinishedAttempt, "verdict"> & { verdict: Deferral };

/** What a worker records of an attempt that it is done with. */
export type TriedAttempt = FinishedAttempt | DeferredAttempt;

export const hasEnded = (attempt: TriedAttempt): attempt is FinishedAttempt =>
  attempt.verdict.state !== "deferred";

/** Who ends it in its worker's place knows no more than that it is over now. */
export const toOthersRow = (attempt: TriedAttempt) => ({
  ...toVerdictRow({ ...attempt, hasOwnClock: true }),
  took_ms: undefined,
  worker_id: attempt.record.workerId,
});

const [readStart, readEnd] = [createInstantReader(), createInstantReader()];

/** How long it took, where its times are by another clock. */
function toDuration({ startedAt, finishedAt, ...record }: AttemptRecord) {
  const took_ms = startedAt === null ? 0 : readEnd(finishedAt).getTime() - readStart(startedAt).getTime();
  return { record, took_ms };
}

/** What there is not is left out: each field of each row costs the database a little. */
export function toVerdictRow(attempt: TriedAttempt) {
  const { runId, claimNo, revisionId, verdict, input } = attempt;
  return {
    id: runId,
    claim_no: claimNo,
    revision_id: revisionId ?? undefined,
    state: verdict.state,
    available_at: instantOf(verdict),
    // A JSON null as the result of a function is a result: stored as such, read back as null.
    result: "result" in verdict ? verdict.result : null,
    error: "error" in verdict ? verdict.error : undefined,
    ...(attempt.hasOwnClock ? toDuration(attempt.record) : { record: attempt.record }),
    input: input ?? undefined,
    lines: attempt.logs.length === 0 ? undefined : toLines(attempt),
  };
}

/** Of its next attempt, or by which somebody must have completed this one. */
function instantOf(verdict: TriedAttempt["verdict"]): Date | undefined {
  if (verdict.state === "scheduled") return verdict.availableAt;
  return verdict.state === "deferred" ? verdict.completeBy : undefined;
}

/** A line whose instant is none is of now. */
const orNull = (sinceMs: number): number | null => (Number.isFinite(sinceMs) ? sinceMs : null);

function toLines({ record, logs }: TriedAttempt) {
  const startedMs = Date.parse(record.startedAt ?? record.finishedAt);
  return logs.map(({ at, level, message, fields }) => ({
    since_ms: orNull(at.getTime() - startedMs),
    level,
    message,
    fields,
  }));
}
