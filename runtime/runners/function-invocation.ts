/** One run of a function as the sandbox is given it. A class: what few runs ask for is made when it is asked for. */
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
import { createTraceparent } from "./trace-context.ts";

/** What it asks of its attempt and of who loads it. */
export interface InvocationSource {
  env: Record<string, string>;
  limits: InvocationLimits;
  reuse: boolean;
  /** The built script. */
  load(): Promise<string>;
  /** What the attempt's time leaves. */
  leftMs(): number;
  /** Undefined: nothing is traced. */
  traceparent(): string | undefined;
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
  readonly #source: InvocationSource;

  constructor(run: ClaimedRun, revisionId: string, input: JsonOrSource, source: InvocationSource) {
    this.runId = run.id;
    this.namespaceId = run.namespaceId;
    this.revisionId = revisionId;
    this.input = input;
    this.attempt = run.attempt;
    this.trigger = run.trigger;
    this.scheduledFor = run.scheduledFor;
    if (run.cronClock) this.cron = findNamingCron(run.cronClock, run.scheduledFor);
    this.env = source.env;
    this.limits = source.limits;
    this.reuse = source.reuse;
    this.#source = source;
  }

  readonly code = (): Promise<string> => this.#source.load();

  fitWallMs(): number {
    return fitWallMs(this.limits.wallMs, this.#source.leftMs());
  }

  /** Few runs fetch anything. */
  get traceparent(): string {
    return this.#source.traceparent() ?? createTraceparent(this.runId);
  }
}

/** The sandbox's part of what a revision was given, lowered to `caps`: of each revision once. */
export function createLimitsOf(caps: FunctionLimitCaps): (asked: AskedLimits) => InvocationLimits {
  const known = new WeakMap<AskedLimits, InvocationLimits>();
  return (asked) => {
    const found = known.get(asked);
    if (found) return found;
    const { concurrency: _store, ...limits } = effectiveLimits(asked, caps);
    known.set(asked, limits);
    return limits;
  };
}
