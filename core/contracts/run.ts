/** A run and its log lines as the API shows them. */

import { isRequest, withoutContent } from "../domain/kept-input.ts";
import type { RunError } from "../domain/run-errors.ts";
import type { RunState } from "../domain/run-state.ts";
import type { RunTrigger } from "../domain/run-trigger.ts";
import type { SkippedInstants } from "../domain/skipped.ts";
import type { TaskType } from "../domain/task-spec.ts";
import type { Json, JsonObject } from "../json.ts";

/** One try. `error` is null for the one that succeeded. */
export interface AttemptRecord {
  attempt: number;
  workerId: string | null;
  startedAt: string | null;
  finishedAt: string;
  error: RunError | null;
  /** Of its span; absent: it was not traced. */
  traceId?: string;
  /** Of a call: its run's row holds what is kept of the input, or nothing, where that was too long. Absent: the row holds it as it came. */
  input?: "kept" | "too_long";
}

export interface Run {
  id: string;
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  trigger: RunTrigger;
  functionName: string | null;
  revisionId: string | null;
  state: RunState;
  attempt: number;
  scheduledFor: Date;
  queuedAt: Date | null;
  startedAt: Date | null;
  finishedAt: Date | null;
  availableAt: Date;
  workerId: string | null;
  result: Json;
  error: RunError | null;
  attempts: AttemptRecord[];
  /** Of what made the run; null: it was not traced. */
  traceId: string | null;
  /** Of a skipped run. */
  skipped: SkippedInstants | null;
}

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

export function toWireRun(run: Run): JsonObject {
  return {
    id: run.id,
    taskId: run.taskId,
    type: run.type,
    trigger: run.trigger,
    function: run.functionName,
    revision: run.revisionId,
    state: run.state,
    attempt: run.attempt,
    scheduledFor: iso(run.scheduledFor),
    queuedAt: iso(run.queuedAt),
    startedAt: iso(run.startedAt),
    finishedAt: iso(run.finishedAt),
    nextAttemptAt: run.state === "scheduled" ? iso(run.availableAt) : null,
    result: run.result,
    error: run.error as unknown as Json,
    attempts: run.attempts.map(({ input: _, ...shown }) => shown) as unknown as Json,
    workerId: run.workerId,
    traceId: run.traceId,
    ...run.skipped,
  };
}

/**
 * A run's input as far as it is shown: a call's once its worker has recorded its end, the method and URL of a request
 * at once; null otherwise, as of a task's run.
 * @param stored as its row has it
 */
export function toWireInput({ taskId, trigger, attempts }: Run, stored: Json): JsonObject {
  if (taskId !== null) return { input: null };
  const became = attempts.at(-1)?.input;
  if (became === "too_long") return { input: null, inputTruncated: true };
  if (became === "kept") return { input: stored };
  return { input: isRequest(trigger) ? withoutContent(stored) : null };
}

export interface LogLine {
  /** Where it stands in the order of recording; opaque. A follower goes on after it. */
  position: string;
  at: Date;
  level: string;
  message: string;
  fields: JsonObject | null;
  runId: string;
  revisionId: string | null;
  attempt: number;
}

export function toWireLogLine(line: LogLine): JsonObject {
  return {
    id: line.position,
    at: line.at.toISOString(),
    level: line.level,
    message: line.message,
    fields: line.fields ?? {},
    runId: line.runId,
    revision: line.revisionId,
    attempt: line.attempt,
  };
}
