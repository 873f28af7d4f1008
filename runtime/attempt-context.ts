/**
 * What a runner is given for one attempt, and what it has said there by the end. A class: each attempt has one, and what
 * few runners look at is made when one does.
 */
import type { Clock } from "../core/clock.ts";
import {
  type AttemptFacts,
  addRequest,
  type IsolateFacts,
  type SubRequest,
} from "../core/domain/attempt-facts.ts";
import type { KeptInput } from "../core/domain/kept-input.ts";
import type { LogLevel } from "../core/domain/log-level.ts";
import type { LazyAbort } from "../core/lazy-abort.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { AttemptLogLine } from "../core/store/runs/finish.ts";
import { NO_SPAN, type Span } from "../core/telemetry/tracing.ts";
import { type AttemptClock, type AttemptTimes, startAttemptClock } from "./attempt-clock.ts";
import { AttemptStop } from "./attempt-stop.ts";
import type { AttemptContext, MeetCaller } from "./runners/task-runner.ts";
import type { HttpCall } from "./sandbox/invocation.ts";

/** What comes from who has the attempt made. */
export interface AttemptGiven {
  http?: HttpCall | undefined;
  meetCaller?: MeetCaller | undefined;
  /** Default: it is not traced. */
  span?: Span;
}

export class RunnerContext implements AttemptContext {
  readonly logs: AttemptLogLine[] = [];
  readonly facts: AttemptFacts = {};
  kept: KeptInput | undefined;
  /** A runner that was left behind may still speak. */
  isOver = false;
  readonly http: HttpCall | undefined;
  readonly meetCaller: MeetCaller | undefined;
  readonly span: Span;
  readonly stop: LazyAbort;
  readonly #run: ClaimedRun;
  readonly #clock: Clock;
  /** By the worker's clock, and by its steady one. */
  readonly #begunAtMs: number;
  readonly #begunMs: number;
  readonly time: AttemptClock;

  /** Its time begins. @param times until it is stopped */
  constructor(run: ClaimedRun, stop: LazyAbort, clock: Clock, times: AttemptTimes, given: AttemptGiven) {
    this.#run = run;
    this.stop = stop;
    this.#clock = clock;
    this.http = given.http;
    this.meetCaller = given.meetCaller;
    this.span = given.span ?? NO_SPAN;
    this.#begunMs = clock.steadyMs();
    this.#begunAtMs = clock.now().getTime();
    this.time = startAttemptClock(clock, times, (what) => stop.abort(new AttemptStop(what)));
  }

  end(): void {
    this.isOver = true;
    this.time.end();
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  get deadlineAt(): Date {
    return this.time.deadlineAt;
  }

  /** Whole milliseconds since it began, rounded down: an attempt does not end after its run. */
  elapsedMs(): number {
    return Math.floor(this.#clock.steadyMs() - this.#begunMs);
  }

  /** By the clock that says when the attempt began, the database's where it was claimed: the worker's may be set meanwhile. */
  instantAfter(sinceMs: number): Date {
    return new Date(this.#run.startedAt.getTime() + sinceMs);
  }

  keepInput = (input: KeptInput): void => {
    this.kept = input;
  };

  noteIsolate = (isolate: IsolateFacts): void => {
    if (!this.isOver) this.facts.isolate = roundFacts(isolate);
  };

  noteRequest = (request: SubRequest): void => {
    if (this.isOver) return;
    addRequest(this.facts, { ...request, tookMs: Math.round(request.tookMs) }, this.elapsedMs());
  };

  log = (
    level: LogLevel,
    message: string,
    fields?: AttemptLogLine["fields"],
    at?: Date,
  ): AttemptLogLine | undefined => {
    if (this.isOver) return undefined;
    const nowMs = this.elapsedMs();
    const saidMs = at ? clampMs(at.getTime() - this.#begunAtMs, nowMs) : nowMs;
    const line = { at: this.instantAfter(saidMs), level, message, fields };
    this.logs.push(line);
    return line;
  };
}

const round = (ms: number) => Math.round(ms * 100) / 100;

function roundFacts(facts: IsolateFacts): IsolateFacts {
  const rounded = { ...facts };
  if (facts.loadMs !== undefined) rounded.loadMs = round(facts.loadMs);
  if (facts.cpuMs !== undefined) rounded.cpuMs = round(facts.cpuMs);
  return rounded;
}

/** Clocks differ a little; a line's instant may lie this far outside its attempt. */
const CLOCK_SKEW_MS = 60_000;

/** Logs stand in the partition of their day: an instant the executor made up must not choose it. */
function clampMs(saidMs: number, nowMs: number): number {
  return saidMs >= -CLOCK_SKEW_MS && saidMs <= nowMs + CLOCK_SKEW_MS ? saidMs : nowMs;
}
