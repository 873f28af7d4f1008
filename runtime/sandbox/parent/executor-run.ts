import type { AttemptOutcome } from "../../../core/domain/attempt.ts";
import type { RunFetches } from "./fetch/run-fetches.ts";
import type { Job } from "./job.ts";
import type { RunKv } from "./kv/run-kv.ts";
import type { RunLog } from "./run-log.ts";

/** One run in an executor, seen from the worker. */
export interface ExecutorRun {
  readonly id: number;
  readonly job: Job;
  readonly log: RunLog;
  batch: Batch;
  /** Made by its first fetch. */
  fetches: RunFetches | undefined;
  /** Made by its first ask. */
  kv: RunKv | undefined;
  /** How long it may take in its isolate; known when it is sent. */
  wallMs: number;
  /** When its executor is killed for its sake; Infinity while it waits for its turn. */
  killAt: number;
  isSent: boolean;
  isCancelled: boolean;
  /** With what it ends, whatever its executor makes of it: the response that it gave cannot be sent. */
  refusal: AttemptOutcome | undefined;
  /** What its isolate was ended for, as the executor says. */
  over: "memory" | "cpu" | undefined;
}

/** Runs for one isolate, the first of them under way; each leaves when it is over or given back. */
export interface Batch {
  readonly runs: ExecutorRun[];
  readonly size: number;
  readonly allowanceBytes: number;
  /** Monotonic; undefined while its code is on its way. */
  sentAt: number | undefined;
  /** Of so many there are results. */
  results: number;
  /** On a thread, as the executor says. */
  ranMs: number;
  /** Whether one of them waited for something. */
  waited: boolean;
}

export type Verdict = (run: ExecutorRun) => AttemptOutcome;

/** Not behind another one of its batch. */
export function isUnderWay(run: ExecutorRun): boolean {
  return run.batch.runs[0] === run;
}
