/**
 * What a function's author imports: `import type { Context } from "bellhop"`. Types only; nothing of it exists at
 * run time.
 */
export type LogFields = Record<string, unknown>;

export interface Log {
  /** Adds one line to the run's log: at most `limits.logLines` a run and 8 KB a line, message and fields together. */
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface KeyValueEntry<Value = unknown> {
  readonly key: string;
  readonly value: Value;
  /** Another one after each write. */
  readonly version: string;
}

/**
 * A small store of the function's own, shared by all of its revisions. Keys are text of 1 to 512 bytes, values JSON of at
 * most 64 KB. A run may use it 1,000 times, 16 at once; a function may hold 10,000 keys and 10 MB, unless the operator
 * says otherwise. A failure rejects with an error of the name KvError and a `code`: `kv_quota_exceeded`,
 * `kv_value_too_large`, `kv_invalid`, `kv_limit`, `kv_unavailable`.
 */
export interface KeyValueStore {
  get<Value = unknown>(key: string): Promise<Value | undefined>;
  getEntry<Value = unknown>(key: string): Promise<KeyValueEntry<Value> | undefined>;
  /** With `ifVersion` it is written only where that version is there, null: where nothing is; else `ok` is false. */
  set(
    key: string,
    value: unknown,
    condition?: { ifVersion?: string | null },
  ): Promise<{ ok: true; version: string } | { ok: false; version?: undefined }>;
  /** Whether something was deleted. */
  delete(key: string, condition?: { ifVersion?: string }): Promise<boolean>;
  /** Up to `limit` (100) entries in the order of their keys' bytes; `after` is what the next page begins after, or null. */
  list<Value = unknown>(options?: {
    prefix?: string;
    after?: string | null;
    limit?: number;
  }): Promise<{ entries: KeyValueEntry<Value>[]; after: string | null }>;
}

declare global {
  /**
   * Thrown, it asks for another attempt, `after` so long ("10m", "PT1H30M"; at most 7 days) or, left out, after the wait
   * of the task's backoff. The attempt counts: when they are used up, the run has failed as `function_retry`.
   */
  class Retry extends Error {
    constructor(options?: { after?: string; message?: string; cause?: unknown });
  }
  /** Thrown, it is the last attempt: the run has failed as `function_fatal`. */
  class Fatal extends Error {}
}

/** Second argument of a function, third of `scheduled`. */
export interface Context {
  readonly runId: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** The instant this run was due. */
  readonly scheduledAt: Date;
  /** The instant at which this attempt is stopped. */
  readonly deadlineAt: Date;
  /** The function's settings and secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: Log;
  /** What made this run: its task's schedule, "run now", an invocation, a call of its URL, a webhook, the end of another run, a backfill. */
  readonly trigger: "schedule" | "manual" | "invoke" | "http" | "hook" | "callback" | "backfill";
  /** Whom the request came from; undefined where the run was not made by one. */
  readonly client: { readonly address: string } | undefined;
  /** Aborts when the run is cancelled, 150 ms before it is ended, and half a second before its time is over. */
  readonly signal: AbortSignal;
  /** What this function remembers from run to run. */
  readonly kv: KeyValueStore;
  /** Keeps the run open until the promise settles; its failure does not fail the run. */
  waitUntil(promise: Promise<unknown>): void;
}

/** `export default async function (input, ctx) { … }`; the result is JSON of at most `limits.resultBytes`, undefined becomes null. */
export type FunctionHandler<Input = unknown, Result = unknown> = (
  input: Input,
  ctx: Context,
) => Result | Promise<Result>;

export interface ScheduledEvent<Input = unknown> {
  readonly type: "scheduled";
  /** The instant this run was due, in milliseconds since 1970. */
  readonly scheduledTime: number;
  /** The cron expression that names this instant, of several the first that does; empty where the run has none. */
  readonly cron: string;
  readonly input: Input;
  /** A failure of this attempt is the run's: it is not tried again. */
  noRetry(): void;
}

/** `export default { scheduled(event, env, ctx) { … } }`. */
export interface ScheduledHandler<Input = unknown, Result = unknown> {
  scheduled(
    event: ScheduledEvent<Input>,
    env: Readonly<Record<string, string>>,
    ctx: Context,
  ): Result | Promise<Result>;
}

/** Third argument of `fetch`. */
export interface FetchContext extends Context {
  /** Does nothing here: there is no origin behind the function. */
  passThroughOnException(): void;
  readonly props: Readonly<Record<string, unknown>>;
}

/**
 * `export default { fetch(request, env, ctx) { … } }`: answers HTTP at the function's URL. `request.signal` aborts when
 * the caller is gone. A body that is a stream goes out as it is made; its caller takes as much as it can.
 */
export interface FetchHandler {
  fetch(
    request: Request,
    env: Readonly<Record<string, string>>,
    ctx: FetchContext,
  ): Response | Promise<Response>;
}
