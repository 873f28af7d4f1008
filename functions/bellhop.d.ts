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
  readonly input: Input;
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
