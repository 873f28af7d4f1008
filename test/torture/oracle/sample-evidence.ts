/** Evidence of one run that did all as it should, for tests to spoil. */
import type {
  AttemptRecord,
  BulkRecord,
  Evidence,
  GivenSchedule,
  RecordedAnswer,
  RunChange,
  RunRow,
  TargetRequest,
  TaskRecord,
} from "./evidence.ts";

export const RUN = "run-1";
export const TASK = "task-1";
/** When the run is due. */
export const DUE = 10_000;

export function sampleChange(change: Partial<RunChange> & Pick<RunChange, "id" | "state">): RunChange {
  return {
    beganAt: change.at ?? DUE + change.id,
    ...{ at: DUE + change.id, xid: `x${change.id}`, op: "U", runId: RUN, taskId: TASK, trigger: "schedule" },
    ...{ claimNo: 0, workerId: null, attempt: 1, scheduledFor: DUE, availableAt: DUE },
    ...{ limitKeys: null, errorCode: null },
    ...change,
  };
}

export function sampleRow(row: Partial<RunRow> = {}): RunRow {
  return {
    ...{ id: RUN, taskId: TASK, trigger: "schedule", state: "succeeded", claimNo: 1, attempt: 1 },
    ...{ scheduledFor: DUE, startedAt: DUE + 2, skipped: null, attempts: [sampleAttempt()] },
    ...{ callbackOf: null, replayOf: null, functionId: null },
    ...row,
  };
}

/** It began and ended so long after the run was due. */
export function sampleAttempt(
  attempt: Partial<AttemptRecord> & { beganMs?: number; endedMs?: number } = {},
): AttemptRecord {
  const { beganMs = 2, endedMs = 30, ...more } = attempt;
  const at = (ms: number) => new Date(DUE + ms).toISOString();
  return { attempt: 1, startedAt: at(beganMs), finishedAt: at(endedMs), error: null, ...more };
}

export function sampleRequest(request: Partial<TargetRequest> = {}): TargetRequest {
  return {
    ...{ beganAt: DUE + 3, endedAt: DUE + 20, how: "answered", runId: RUN, attempt: 1, path: "/run" },
    change: null,
    ...request,
  };
}

export function sampleTask(task: Partial<TaskRecord> = {}): TaskRecord {
  return {
    ...{
      id: TASK,
      name: "k1",
      type: "http",
      state: "completed",
      schedule: { kind: "delay", delayMs: 1_000 },
    },
    createdAt: 0,
    ...task,
  };
}

export function sampleAnswer(answer: Partial<RecordedAnswer> = {}): RecordedAnswer {
  return {
    ...{ act: "http later", key: "k1", method: "POST", path: "/v1/tasks", body: {}, firstAt: 0, at: 1 },
    ...{ tries: 1, status: 201, runId: null, answer: { id: TASK, nextRunAt: new Date(DUE).toISOString() } },
    ...answer,
  };
}

export const sampleSchedule = (schedule: Record<string, unknown>): Map<string, GivenSchedule[]> =>
  new Map([[TASK, [{ taskId: TASK, schedule, anchorAt: 2_000, beganAt: 2_000, at: 2_000 }]]]);

export const sampleBackfill = (bulk: Partial<BulkRecord> = {}): BulkRecord => ({
  ...{ id: "b1", action: "backfill", state: "succeeded", done: 1, failed: 0, taskId: TASK, instants: 1 },
  ...bulk,
});

export const SAMPLE_LIFE: readonly RunChange[] = [
  sampleChange({ id: 1, op: "I", state: "queued", at: DUE - 1_000 }),
  sampleChange({ id: 2, state: "running", claimNo: 1, workerId: "w1" }),
  sampleChange({ id: 30, op: "D", state: "running", claimNo: 1, workerId: "w1" }),
  sampleChange({ id: 31, op: "I", state: "succeeded", claimNo: 1, workerId: "w1", xid: "x30" }),
];

export function sampleEvidence(parts: {
  changes?: readonly RunChange[];
  rows?: RunRow[];
  requests?: TargetRequest[];
  more?: Partial<Evidence>;
}): Evidence {
  return {
    facts: {
      ...{ seed: 1, leaseMs: 4_000, beganAt: 0, healedAt: 100_000, workEndedAt: 110_000 },
      ...{ unquiet: [], lags: [] },
    },
    changes: Map.groupBy(parts.changes ?? SAMPLE_LIFE, ({ runId }) => runId),
    rows: Map.groupBy(parts.rows ?? [sampleRow()], ({ id }) => id),
    tasks: new Map([[TASK, sampleTask()]]),
    ...{ schedules: new Map(), bulks: [], gathered: [] },
    leases: new Map(),
    requests: Map.groupBy(parts.requests ?? [sampleRequest()], ({ runId }) => runId),
    ...{ mails: [], told: [], completions: [], logs: new Map(), faults: [], samples: [] },
    answers: [sampleAnswer()],
    ...parts.more,
  };
}
