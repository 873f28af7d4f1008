/** A run and its log lines as the API shows them. */
import { z } from "zod";
import { type AttemptFacts, MAX_RECORDED_REQUESTS } from "../domain/attempt-facts.ts";
import { type InputFate, isRequest, withoutContent } from "../domain/kept-input.ts";
import { LOG_LEVELS, type LogLevel } from "../domain/log-level.ts";
import { WAIT_REASONS, type WaitReason } from "../domain/queue.ts";
import type { RunError } from "../domain/run-errors.ts";
import { RUN_STATES, type RunState } from "../domain/run-state.ts";
import { RUN_TRIGGERS, type RunTrigger } from "../domain/run-trigger.ts";
import { SKIP_REASONS, type SkippedInstants } from "../domain/skipped.ts";
import { TASK_TYPES, type TaskType } from "../domain/task-spec.ts";
import type { Json, JsonObject } from "../json.ts";
import { idOutput, instantOutput, jsonOutput } from "./common.ts";

/** One try. `error` is null for the one that succeeded. */
export interface AttemptRecord extends AttemptFacts {
  attempt: number;
  workerId: string | null;
  startedAt: string | null;
  finishedAt: string;
  error: RunError | null;
  /** Of its span; absent: it was not traced. */
  traceId?: string;
  /** Of a call: what its run's row holds of the input. Absent: the row holds it as it came. */
  input?: InputFate;
}

export interface Run {
  id: string;
  namespaceId: string;
  taskId: string | null;
  type: TaskType;
  trigger: RunTrigger;
  functionName: string | null;
  revisionId: string | null;
  /** The run that it replays. */
  replayOf: string | null;
  /** Of a callback the run whose end it tells of. */
  callbackOf: string | null;
  state: RunState;
  queue: string;
  /** In its queue; null: none. */
  concurrencyKey: string | null;
  rateKey: string | null;
  priority: number;
  /** Of a queued run whose time has come; null: it does not wait. */
  waitingFor: WaitReason | null;
  attempt: number;
  scheduledFor: Date;
  queuedAt: Date | null;
  startedAt: Date | null;
  finishedAt: Date | null;
  availableAt: Date;
  /** While its attempt waits to be completed: when that counts as failed; null: it does not wait. */
  completeBy: Date | null;
  workerId: string | null;
  result: Json;
  error: RunError | null;
  attempts: AttemptRecord[];
  /** Of what made the run; null: it was not traced. */
  traceId: string | null;
  /** Of a skipped run. */
  skipped: SkippedInstants | null;
  /** It did not succeed by when its task expects it to; null: it did, or may still, or nothing is expected of it. */
  expectation: "missed" | null;
}

const runError = z
  .object({
    code: z.string().meta({ description: "What went wrong, for programs: it never changes." }),
    message: z.string(),
    details: jsonOutput.optional(),
  })
  .meta({ id: "RunError", description: "Why a run or an attempt failed." });

const nullableInstant = instantOutput.nullable();

const isolate = z.object({
  start: z.enum(["cold", "warm"]).meta({ description: "Whether it was loaded for this run." }),
  loadMs: z.number().optional().meta({ description: "For a cold isolate: how long the run waited for it." }),
  cpuMs: z
    .number()
    .optional()
    .meta({ description: "How long the run used a thread; for runs in one batch, their mean." }),
  heldBytes: z
    .int()
    .optional()
    .meta({ description: "The memory it held after the run; measured once a second at most." }),
});

const request = z.object({
  method: z.string(),
  host: z.string(),
  status: z.int().optional().meta({ description: "The status of the response." }),
  error: z.string().optional().meta({ description: "Why there was no response, or why it broke off." }),
  afterMs: z.number().meta({ description: "Since the attempt began." }),
  tookMs: z.number(),
});

const attempt = z.object({
  attempt: z.int(),
  workerId: idOutput.nullable(),
  startedAt: nullableInstant,
  finishedAt: instantOutput,
  error: runError.nullable().meta({ description: "Null for an attempt that succeeded." }),
  traceId: z.string().optional().meta({ description: "Absent if it was not traced." }),
  isolate: isolate.optional().meta({ description: "For a function's attempt that ended by itself." }),
  requests: z
    .array(request)
    .optional()
    .meta({
      description: `The function's requests: the first ${MAX_RECORDED_REQUESTS} to end.`,
    }),
  moreRequests: z.int().optional().meta({ description: "How many more there were." }),
});

const EXAMPLE_RUN = {
  id: "01a20a28-a81c-7294-862d-1a27e97c0d32",
  taskId: "01a20a28-a81c-7294-862d-15363a1f369a",
  type: "http",
  trigger: "schedule",
  function: null,
  revision: null,
  replayOf: null,
  callbackOf: null,
  state: "succeeded",
  queue: "default",
  concurrencyKey: null,
  rateKey: null,
  priority: 50,
  attempt: 1,
  scheduledFor: "2026-11-23T20:46:06.366Z",
  queuedAt: "2026-11-23T20:46:06.366Z",
  startedAt: "2026-11-23T20:46:06.370Z",
  finishedAt: "2026-11-23T20:46:06.388Z",
  nextAttemptAt: null,
  result: { status: 200, headers: { "content-type": "text/plain" }, body: "hello\n" },
  error: null,
  attempts: [
    {
      attempt: 1,
      workerId: "01a20a28-0882-748a-8c74-f2392339679a",
      startedAt: "2026-11-23T20:46:06.370Z",
      finishedAt: "2026-11-23T20:46:06.386Z",
      error: null,
    },
  ],
  workerId: "01a20a28-0882-748a-8c74-f2392339679a",
  traceId: null,
};

export const runOutput = z
  .object({
    id: idOutput,
    taskId: idOutput
      .nullable()
      .meta({ description: "Null for a call of a function, and for a callback that runs no task." }),
    type: z.enum(TASK_TYPES),
    trigger: z.enum(RUN_TRIGGERS).meta({ description: "What created the run." }),
    function: z.string().nullable(),
    revision: idOutput.nullable().meta({ description: "The function's revision; null until it is known." }),
    replayOf: idOutput.nullable().meta({ description: "The run that it replays." }),
    callbackOf: idOutput.nullable().meta({ description: "For a callback: the run whose end it reports." }),
    state: z.enum(RUN_STATES),
    queue: z.string().meta({ description: "The run's queue." }),
    concurrencyKey: z
      .string()
      .nullable()
      .meta({ description: "Runs of the queue with the same key share its concurrency per key." }),
    rateKey: z
      .string()
      .nullable()
      .meta({ description: "Runs of the queue with the same key share its rate per key." }),
    priority: z.int().meta({ description: "Waiting runs with a higher priority start first." }),
    waitingFor: z.enum(WAIT_REASONS).optional().meta({
      description:
        "What a queued run whose time has come waits for: a concurrency limit (`concurrency`), the instant at which its rate allows the next start (`rate`), the end of a pause (`paused`), or a worker with a free slot (`slot`).",
    }),
    attempt: z.int().meta({ description: "The current attempt, or the last one; counted from 1." }),
    scheduledFor: instantOutput,
    queuedAt: nullableInstant,
    startedAt: nullableInstant,
    finishedAt: nullableInstant,
    nextAttemptAt: nullableInstant.meta({ description: "While a retry waits." }),
    completeBy: instantOutput.optional().meta({
      description: "For a run that its server completes later: when the attempt counts as failed.",
    }),
    result: jsonOutput,
    error: runError.nullable(),
    attempts: z.array(attempt).meta({ description: "The attempts that have ended, oldest first." }),
    workerId: idOutput.nullable(),
    traceId: z
      .string()
      .nullable()
      .meta({ description: "The trace of what created the run; null: it was not traced." }),
    reason: z.enum(SKIP_REASONS).optional().meta({
      description:
        "For a skipped run: a run of its task was still open, it was too late, its schedule excludes it, or its task was paused.",
    }),
    count: z
      .int()
      .optional()
      .meta({ description: "For a skipped run: how many instants, up to 1,000 of an outage or a pause." }),
    firstAt: instantOutput.optional().meta({ description: "For a skipped run." }),
    lastAt: instantOutput.optional().meta({ description: "For a skipped run." }),
    expectation: z
      .literal("missed")
      .optional()
      .meta({ description: "It did not succeed by the time that its task's `expect` sets." }),
  })
  .meta({
    id: "Run",
    description: "One occurrence of a task, or one call of a function.",
    examples: [EXAMPLE_RUN],
  });
export type WireRun = z.output<typeof runOutput>;

const inputFields = {
  input: jsonOutput.meta({
    description:
      "The input of a call, once its worker has recorded its end; for a request its method and URL, at once. Null otherwise.",
  }),
  inputTruncated: z.literal(true).optional().meta({ description: "It was too long to be stored." }),
};
type WireInput = z.output<z.ZodObject<typeof inputFields>>;

export const runWithInputOutput = z
  .object({ ...runOutput.shape, ...inputFields })
  .meta({ id: "RunWithInput", examples: [{ ...EXAMPLE_RUN, input: null }] });

const joined = z.boolean().optional().meta({
  description: "With `debounce` or `collect`: whether an earlier request created the run.",
});

/** Of a task's run on somebody's word. */
export const joinedRunOutput = z
  .object({ ...runOutput.shape, joined })
  .meta({ id: "JoinedRun", examples: [EXAMPLE_RUN] });

/** Of a call that is not waited for. */
export const startedRunOutput = z
  .object({ runId: idOutput, joined })
  .meta({ id: "StartedRun", examples: [{ runId: "01a20a28-a81c-7294-862d-1a27e97c0d32" }] });

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

export function toWireRun(run: Run): WireRun {
  return {
    id: run.id,
    taskId: run.taskId,
    type: run.type,
    trigger: run.trigger,
    function: run.functionName,
    revision: run.revisionId,
    replayOf: run.replayOf,
    callbackOf: run.callbackOf,
    state: run.state,
    queue: run.queue,
    concurrencyKey: run.concurrencyKey,
    rateKey: run.rateKey,
    priority: run.priority,
    ...(run.waitingFor ? { waitingFor: run.waitingFor } : {}),
    attempt: run.attempt,
    scheduledFor: run.scheduledFor.toISOString(),
    queuedAt: iso(run.queuedAt),
    startedAt: iso(run.startedAt),
    finishedAt: iso(run.finishedAt),
    nextAttemptAt: run.state === "scheduled" ? iso(run.availableAt) : null,
    ...(run.completeBy ? { completeBy: run.completeBy.toISOString() } : {}),
    result: run.result,
    error: run.error,
    attempts: run.attempts.map(({ input: _, ...shown }) => shown),
    workerId: run.workerId,
    traceId: run.traceId,
    ...run.skipped,
    ...(run.expectation && { expectation: run.expectation }),
  };
}

/**
 * A run's input as far as it is shown: a call's once its worker has recorded its end, the method and URL of a request
 * at once; null otherwise, as of a task's run.
 * @param stored as its row has it
 */
export function toWireInput({ taskId, trigger, attempts }: Run, stored: Json): WireInput {
  if (taskId !== null) return { input: null };
  const became = attempts.at(-1)?.input;
  if (became === "too_long") return { input: null, inputTruncated: true };
  if (became !== undefined) return { input: stored };
  return { input: isRequest(trigger) ? withoutContent(stored) : null };
}

export interface LogLine {
  /** Where it stands in the order of recording; opaque. A follower goes on after it. */
  position: string;
  at: Date;
  level: LogLevel;
  message: string;
  fields: JsonObject | null;
  runId: string;
  revisionId: string | null;
  attempt: number;
}

export const logLineOutput = z
  .object({
    id: z.string().meta({ description: "Its position in the order of recording. Opaque." }),
    at: instantOutput,
    level: z.enum(LOG_LEVELS),
    message: z.string(),
    fields: z.record(z.string(), jsonOutput),
    runId: idOutput,
    revision: idOutput.nullable(),
    attempt: z.int(),
  })
  .meta({
    id: "LogLine",
    examples: [
      {
        id: "1049c-3-0",
        at: "2026-11-23T20:46:06.380Z",
        level: "info",
        message: "greeting",
        fields: { name: "Ada" },
        runId: "01a20a28-a81c-7294-862d-1a27e97c0d32",
        revision: "01a20a27-31aa-74f7-8d9e-7c5a4d6f3b10",
        attempt: 1,
      },
    ],
  });
export type WireLogLine = z.output<typeof logLineOutput>;

export function toWireLogLine(line: LogLine): WireLogLine {
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
