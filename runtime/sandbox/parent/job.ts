import type { AttemptOutcome } from "../../../core/domain/attempt.ts";
import type { Invocation, InvokeOptions } from "../invocation.ts";
import type { JobCall } from "./call/job-call.ts";

/** An invocation on its way through the sandbox. */
export interface Job {
  readonly invocation: Invocation;
  readonly options: InvokeOptions;
  /** Of a run over HTTP. */
  readonly call?: JobCall | undefined;
  /** Asks it to stop where it runs; undefined while it waits. */
  cancel: (() => void) | undefined;
  /** Takes the outcome; called once. */
  finish(outcome: AttemptOutcome): void;
}
