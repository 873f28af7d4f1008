/** The tables of the model: what of core/store's the guarantees hang on. Rows are never changed, only replaced. */
import type { CatchUp } from "../../../core/domain/catch-up.ts";
import type { Overlap } from "../../../core/domain/overlap.ts";
import type { RunState } from "../../../core/domain/run-state.ts";
import type { Schedule } from "../../../core/domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../../core/domain/skipped.ts";

export interface TaskRow {
  id: string;
  state: "active" | "paused" | "completed" | "cancelled";
  /** Of the definition; each change gives it the next. */
  version: number;
  schedule: Schedule;
  anchorMs: number;
  nextRunAtMs: number | null;
  overlap: Overlap;
  catchUp: CatchUp | null;
  maxAttempts: number;
  limitKeys: readonly string[];
}

export interface RunRow {
  id: string;
  /** Of the stored row: an update keeps it, another row of the same id has another. */
  tuple: number;
  taskId: string;
  state: RunState;
  scheduledForMs: number;
  availableAtMs: number;
  attempt: number;
  attemptOffset: number;
  claimNo: number;
  workerId: string | null;
  startedAtMs: number | null;
  isCancelRequested: boolean;
  /** As in core/store/runs/held.ts and core/store/limits/permits.ts. */
  waitingFor: "instant" | "overlap" | "concurrency" | null;
  waitingKey: string | null;
  limitKeys: readonly string[];
  permits: readonly string[] | null;
  isRedriven: boolean;
}

/** A final row: `task_runs`. */
export interface FinalRow {
  /** A row's own: two of one run would be two rows. */
  key: string;
  runId: string;
  taskId: string;
  state: RunState;
  scheduledForMs: number;
  claimNo: number;
  workerId: string | null;
  skipped: SkippedInstants | null;
}

export interface WorkerRow {
  id: string;
  leaseUntilMs: number;
}

export interface LimitRow {
  key: string;
  /** Null: there is no limit any more. */
  concurrency: number | null;
  permitsHeld: number;
  hasWaiting: boolean;
}

export interface Tables {
  tasks: TaskRow;
  runs: RunRow;
  finals: FinalRow;
  workers: WorkerRow;
  limits: LimitRow;
}

export type TableName = keyof Tables;
