import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import type { FunctionLimits } from "../../core/domain/function-limits.ts";
import type { Json, JsonObject } from "../../core/json.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Invocation {
  runId: string;
  namespaceId: string;
  revisionId: string;
  /** The built script; asked for only where the executor does not have the revision yet. */
  code: string | (() => Promise<string>);
  input: Json;
  attempt: number;
  scheduledFor: Date;
  deadlineAt: Date;
  env: Record<string, string>;
  /** `wallMs` counts from the start in the isolate, waiting for a free one apart. */
  limits: InvocationLimits;
  /** False: the run gets an isolate that no run used before and none will use after. */
  reuse: boolean;
  /** W3C trace context that the run's fetches carry on. */
  traceparent: string;
}

/** The part of a function's limits that the sandbox holds; `concurrency` is the store's. */
export type InvocationLimits = Omit<FunctionLimits, "concurrency">;

export interface LogLine {
  level: LogLevel;
  message: string;
  fields?: JsonObject;
  at: Date;
}

export interface InvokeOptions {
  signal: AbortSignal;
  onLog(line: LogLine): void;
}

export interface Sandbox {
  /**
   * Runs one invocation and resolves with its outcome; never rejects. Codes of failures: `function_error`,
   * `function_timeout`, `executor_killed`, `executor_unavailable`, `executor_fault`, `function_unavailable`,
   * `sandbox_overloaded` (retryable);
   * `function_memory_exceeded`, `function_cpu_exceeded`, `result_too_large`, `result_not_json`, `unsupported_shape`,
   * `input_too_large` (not).
   */
  invoke(invocation: Invocation, options: InvokeOptions): Promise<AttemptOutcome>;
  /** Kills every executor; what still runs ends as `executor_killed`. */
  close(): Promise<void>;
}
