import type { AnswerStream, CallerStream, EventsOf } from "../../core/contracts/call-stream.ts";
import type { HttpRequestHead } from "../../core/contracts/http-call.ts";
import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import type { IsolateFacts, SubRequest } from "../../core/domain/attempt-facts.ts";
import type { FunctionLimits } from "../../core/domain/function-limits.ts";
import type { LogLevel } from "../../core/domain/log-level.ts";
import type { RunTrigger } from "../../core/domain/run-trigger.ts";
import type { JsonObject } from "../../core/json.ts";
import type { JsonOrSource } from "../../core/json-source.ts";
import type { LazyAbort } from "../../core/lazy-abort.ts";
import type { Span } from "../../core/telemetry/tracing.ts";

export interface Invocation {
  runId: string;
  namespaceId: string;
  revisionId: string;
  /** The built script; asked for only where the executor does not have the revision yet. */
  code: string | (() => Promise<string>);
  input: JsonOrSource;
  attempt: number;
  trigger: RunTrigger;
  scheduledFor: Date;
  /** The cron expression that the run was due by; undefined: by none. */
  cron?: string;
  env: Record<string, string>;
  /** `wallMs` counts from the start in the isolate, waiting for a free one apart. */
  limits: InvocationLimits;
  /** How much of `wallMs` its attempt leaves the run, asked when it is sent to its isolate; default: all. */
  fitWallMs?(): number;
  /** False: the run gets an isolate that no run used before and none will use after. */
  reuse: boolean;
  /** W3C trace context that the run's fetches carry on, where they have no spans of their own. */
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
  signal: AbortSignal | LazyAbort;
  onLog(line: LogLine): void;
  /** It has its place in an isolate: its time runs from now. */
  onBegin?(): void;
  /** Of a run that ended by itself: what its isolate was. */
  onIsolate?(isolate: IsolateFacts): void;
  /** A request that it sent is over. */
  onRequest?(request: SubRequest): void;
  /** How a host that it calls is named in what is recorded: it may hold a secret. Default: as it is. */
  showHost?(host: string): string;
  /** The attempt's: its fetches are children. Without it they are not traced. */
  span?: Span;
  /** What `ctx.kv` asks; without it there is no store. */
  kv?: KeyValueAnswerer;
  /** For a run over HTTP: the request, and where the response goes. `input` is not looked at then. */
  http?: HttpCall;
}

/** One ask of `ctx.kv`, as the guest wrote it (kv-messages.ts): to be checked field by field. Never rejects. */
export type KeyValueAnswerer = (ask: string) => Promise<string>;

/**
 * An HTTP call of a function. Bodies go both ways in chunks against credit, which begins at `CALL_WINDOW_BYTES`: the
 * caller feeds request bytes as far as `onPull` has granted them, the sandbox gives response bytes as far as
 * `feed.pull` has. A short response never streams: it comes whole, as the outcome's `result` (an `HttpResult`).
 */
export interface HttpCall extends EventsOf<AnswerStream> {
  head: HttpRequestHead;
  /** Called once, before `invoke` has returned: how the caller speaks. What is fed before the run began is kept. */
  onOpen(feed: CallerStream): void;
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
