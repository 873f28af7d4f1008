import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import type { IsolateFacts, SubRequest } from "../../core/domain/attempt-facts.ts";
import type { KeptInput } from "../../core/domain/kept-input.ts";
import type { LogLevel } from "../../core/domain/log-level.ts";
import type { StoredRequest } from "../../core/domain/stored-request.ts";
import type { JsonObject } from "../../core/json.ts";
import type { LazyAbort } from "../../core/lazy-abort.ts";
import type { Redactor } from "../../core/secrets/redact.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { AttemptLogLine } from "../../core/store/runs/finish.ts";
import type { Span } from "../../core/telemetry/tracing.ts";
import type { AttemptClock } from "../attempt-clock.ts";
import type { HttpCall } from "../sandbox/invocation.ts";

/** The secrets that were put into what is sent. */
export interface FilledSecrets {
  redactor: Redactor;
  /** Headers that hold one, in lower case. */
  headers: ReadonlySet<string>;
  isInBody: boolean;
}

export type MeetCaller = (apiId: string, request: StoredRequest | undefined) => Promise<HttpCall | undefined>;

/** What a runner may use while it tries one run once. */
export interface AttemptContext {
  /** Aborts at the attempt's deadline, on cancellation and when the worker must go; `signal.reason` is an AttemptStop. */
  readonly signal: AbortSignal;
  /** The same, for who only wants to be told. */
  readonly stop?: LazyAbort;
  /** The instant after which the attempt counts as timed out; it moves where `time` is held. */
  readonly deadlineAt: Date;
  /** Of a runner that waits for room: its attempt's time is held meanwhile, and begins anew. */
  time?: Pick<AttemptClock, "hold" | "begin">;
  /** Where the run answers a call over HTTP: its request, and where the response goes. */
  http?: HttpCall | undefined;
  /**
   * The same of a run that was claimed and whose caller waits in the API of this id, with the request that its row holds;
   * undefined: nobody waits there, or that API cannot be asked.
   */
  meetCaller?: MeetCaller | undefined;
  /** Absent: there is none in it. */
  secrets?: FilledSecrets;
  /** The attempt's: what goes out is its child. */
  span: Span;
  /** Tells what is kept of the run's input; where that is never told, what is stored is not shown. */
  keepInput?(kept: KeptInput): void;
  /** Told of a function: recorded with the attempt. */
  noteIsolate?(isolate: IsolateFacts): void;
  noteRequest?(request: SubRequest): void;
  /** Adds one line to the run's log and answers it: until the attempt has ended its texts may still be changed. */
  log(level: LogLevel, message: string, fields?: JsonObject, at?: Date): AttemptLogLine | undefined;
}

/**
 * Runs one attempt of one type. Resolves with its outcome; a runner throws only on a bug. When the signal aborts
 * it resolves soon with whatever it has: the pipeline replaces the outcome by the reason of the abort.
 */
export type TaskRunner = (run: ClaimedRun, context: AttemptContext) => Promise<AttemptOutcome>;
