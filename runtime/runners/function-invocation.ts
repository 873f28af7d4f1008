/** One run of a function as the sandbox is given it. A class: what few runs ask for is made when it is asked for. */
import type { Clock } from "../../core/clock.ts";
import { fitWallMs } from "../../core/domain/call-durations.ts";
import {
  type AskedLimits,
  effectiveLimits,
  type FunctionLimitCaps,
} from "../../core/domain/function-limits.ts";
import type { RunTrigger } from "../../core/domain/run-trigger.ts";
import { findNamingCron } from "../../core/domain/schedule/named-by.ts";
import type { JsonOrSource } from "../../core/json-source.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { Invocation, InvocationLimits } from "../sandbox/invocation.ts";
import { loadInTime } from "./load-in-time.ts";
import type { RevisionCache } from "./revision-cache.ts";
import type { AttemptContext } from "./task-runner.ts";
import { createTraceparent } from "./trace-context.ts";

/** What is known of it from the beginning. */
export interface GivenInvocation {
  revisionId: string;
  input: JsonOrSource;
  env: Record<string, string>;
  limits: InvocationLimits;
  reuse: boolean;
}

/** Of the runner: the same for all. */
export interface InvocationParts {
  revisions: Pick<RevisionCache, "code">;
  clock: Clock;
}

export class FunctionInvocation implements Invocation {
  readonly runId: string;
  readonly namespaceId: string;
  readonly revisionId: string;
  readonly input: JsonOrSource;
  readonly attempt: number;
  readonly trigger: RunTrigger;
  readonly scheduledFor: Date;
  readonly cron?: string;
  readonly env: Record<string, string>;
  readonly limits: InvocationLimits;
  readonly reuse: boolean;
  readonly #context: AttemptContext;
  readonly #parts: InvocationParts;

  constructor(run: ClaimedRun, given: GivenInvocation, context: AttemptContext, parts: InvocationParts) {
    this.runId = run.id;
    this.namespaceId = run.namespaceId;
    this.revisionId = given.revisionId;
    this.input = given.input;
    this.attempt = run.attempt;
    this.trigger = run.trigger;
    this.scheduledFor = run.scheduledFor;
    if (run.cronClock) this.cron = findNamingCron(run.cronClock, run.scheduledFor);
    this.env = given.env;
    this.limits = given.limits;
    this.reuse = given.reuse;
    this.#context = context;
    this.#parts = parts;
  }

  async code(): Promise<string> {
    const { revisions, clock } = this.#parts;
    return await loadInTime(() => revisions.code(this.revisionId), this.#context, clock);
  }

  fitWallMs(): number {
    const leftMs = this.#context.deadlineAt.getTime() - this.#parts.clock.now().getTime();
    return fitWallMs(this.limits.wallMs, leftMs);
  }

  /** Few runs fetch anything. */
  get traceparent(): string {
    return this.#context.span.traceparent ?? createTraceparent(this.runId);
  }
}

/** The sandbox's part of what a revision was given, lowered to `caps`: of each revision once, and shared by its runs. */
export function createLimitsOf(caps: FunctionLimitCaps): (asked: AskedLimits) => InvocationLimits {
  const known = new WeakMap<AskedLimits, InvocationLimits>();
  return (asked) => {
    const found = known.get(asked);
    if (found) return found;
    const { concurrency: _store, ...own } = effectiveLimits(asked, caps);
    const limits = Object.freeze(own);
    known.set(asked, limits);
    return limits;
  };
}
