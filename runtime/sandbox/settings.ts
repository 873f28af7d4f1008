import type { ChildProcess } from "node:child_process";
import type { Egress } from "../../core/egress/egress.ts";
import type { SandboxMetrics } from "../../core/telemetry/metrics/sandbox.ts";

export interface SandboxLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What a sandbox uses of the process around it. */
export interface SandboxParts {
  logger?: SandboxLogger;
  /** The way out for functions' fetches; without one they fail. */
  egress?: Egress;
  metrics?: SandboxMetrics;
  /** Around its executors; default: those of this process, where `spawn` is the real one. */
  walls?: HopedWalls;
}

/** Which walls stand is found by the executors that start behind them. */
export interface HopedWalls {
  readonly areKnown: boolean;
  /** An executor came up. */
  confirm(): void;
  /** None came up: finds what stands. Never rejects. */
  tryOut(): Promise<void>;
}

export interface SandboxSettings {
  /** Isolates of one executor that run at once, a batch of short runs each; default 32. */
  isolatesPerExecutor: number;
  /** Executors that serve namespaces at once, draining ones apart; default 16. */
  maxExecutors: number;
  /** Executors that stand ready for a namespace to come; 0 or 1, default 1. */
  spareExecutors: number;
  /** An executor without a run for so long is closed; default 5 minutes. */
  idleExecutorMs: number;
  /** How long a namespace keeps its executor while others wait for one; default 1 s. */
  tenureMs: number;
  /** Runs after which an executor is replaced; default 250,000. */
  maxRunsPerExecutor: number;
  /** Invocations of one namespace that may wait; default 10,000. */
  maxWaiting: number;
  /** How long after its wall deadline a run may take to stop before its executor is killed; default 300. */
  killGraceMs: number;
  /**
   * Resident memory, beside its share of `warmMemoryMb`, at which an executor is killed whatever it runs; default
   * 1,216.
   */
  maxResidentMb: number;
  /** How much an executor may grow beside what its runs are allowed; default 64. */
  slackMb: number;
  /** What the isolates of all executors may hold that stand warm for their revision's next run; default 512. */
  warmMemoryMb: number;
  /** Isolates an executor keeps booted for a revision to come; default 1. */
  spareIsolates: number;
  /** A warm isolate unused for so long is ended, and after a fifth of it where its revision has a later idle one; default 5 minutes. */
  idleIsolateMs: number;
  /** Heap of the executor's own thread; default 192. */
  executorHeapMb: number;
  /** How long an executor may take to start; default 10 s. */
  startTimeoutMs: number;
  /** Starts an executor; default: the real one, behind the walls that stand. */
  spawn?(settings: SandboxSettings): ChildProcess;
}

export const DEFAULT_SANDBOX_SETTINGS: SandboxSettings = {
  isolatesPerExecutor: 32,
  maxExecutors: 16,
  spareExecutors: 1,
  idleExecutorMs: 300_000,
  tenureMs: 1_000,
  maxRunsPerExecutor: 250_000,
  maxWaiting: 10_000,
  killGraceMs: 300,
  maxResidentMb: 1_216,
  slackMb: 64,
  warmMemoryMb: 512,
  spareIsolates: 1,
  idleIsolateMs: 300_000,
  executorHeapMb: 192,
  startTimeoutMs: 10_000,
};
