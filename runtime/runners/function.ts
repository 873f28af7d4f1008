import type { Clock } from "../../core/clock.ts";
import { type AttemptOutcome, failed } from "../../core/domain/attempt.ts";
import { authorTimeoutMs, callDurations } from "../../core/domain/call-durations.ts";
import type { FunctionLimitCaps } from "../../core/domain/function-limits.ts";
import { keepInput } from "../../core/domain/kept-input.ts";
import { RUN_ERRORS, type RunErrorCode } from "../../core/domain/run-errors.ts";
import { holderOf, type StoredRequest } from "../../core/domain/stored-request.ts";
import { formatDuration } from "../../core/duration.ts";
import { BellhopError } from "../../core/errors.ts";
import { NOTHING_TO_REDACT, type Redactor } from "../../core/secrets/redact.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { AttemptLogLine } from "../../core/store/runs/finish.ts";
import type { HttpCall, KeyValueAnswerer, Sandbox } from "../sandbox/invocation.ts";
import { LIMIT_MESSAGES } from "../sandbox/protocol/limit-messages.ts";
import { createStackMapper, type StackMapper } from "./author-stack.ts";
import type { FunctionEnv, FunctionEnvs } from "./function-env.ts";
import { createLimitsOf, FunctionInvocation } from "./function-invocation.ts";
import { loadInTime } from "./load-in-time.ts";
import type { RevisionCache, RevisionFacts } from "./revision-cache.ts";
import { openStoredCall, storedRequestOf } from "./stored-request.ts";
import type { AttemptContext, TaskRunner } from "./task-runner.ts";

export interface FunctionRunnerParts {
  sandbox: Sandbox;
  revisions: RevisionCache;
  /** JSON; undefined where there is none, or a very large one. */
  loadSourceMap(revisionId: string): Promise<string | undefined>;
  envs: FunctionEnvs;
  onLoadError(error: unknown, functionId: string): void;
  /** A run had an isolate that was loaded for it. */
  onColdStart?(revisionId: string, loadMs: number): void;
  /** For one run of the function, what it remembers; without it functions have no store. */
  answerKv?(functionId: string): KeyValueAnswerer;
  clock: Clock;
  /** They lower what a revision was given, also where they were higher when it was deployed. */
  caps: FunctionLimitCaps;
}

/** How long an attempt of a call may take that knows no other limit than its revision's. */
export async function findTimeoutMs(
  revisions: RevisionCache,
  caps: FunctionLimitCaps,
  revisionId: string,
): Promise<number> {
  const facts = revisions.recallFacts(revisionId) ?? (await findFacts(revisions, revisionId));
  return callDurations(facts?.limits ?? {}, caps).attemptMs;
}

/** Runs `function` tasks: one invocation of the run's revision in the sandbox, until the attempt's deadline. */
export function createFunctionRunner(parts: FunctionRunnerParts): TaskRunner {
  const { sandbox, caps } = parts;
  const stacks = createStackMapper(parts.loadSourceMap);
  const limitsOf = createLimitsOf(caps);
  return async (run, context) => {
    const { spec, functionId, revisionId } = run;
    if (spec.type !== "function" || revisionId === null || functionId === null) {
      return failed("function_not_found", RUN_ERRORS.function_not_found, { retryable: false });
    }
    const loaded =
      recallFunction(parts, revisionId) ?? (await loadFunction(parts, functionId, revisionId, context));
    if ("kind" in loaded) return loaded;
    const { revision, env, redactor } = loaded;
    // A task's input is its task's.
    if (run.taskId === null) {
      const redact = redactor === NOTHING_TO_REDACT ? undefined : redactor.value;
      context.keepInput?.(keepInput(spec.input, run.trigger, redact));
    }
    const limits = limitsOf(revision.limits);
    const given = { revisionId, input: spec.input, env, limits, reuse: revision.reuse };
    const invocation = new FunctionInvocation(run, given, context, parts);
    context.time?.hold();
    const request = context.http ? undefined : storedRequestOf(run);
    const answered = context.http ?? (request && (await meetCaller(run, request, context)));
    if (request === "gone" && !answered) {
      const message = "The request of this run was held where its caller was, who is gone, and was not kept.";
      return failed("request_gone", message, { retryable: false });
    }
    const stored =
      request && request !== "gone" && !answered
        ? openStoredCall(request, invocation.limits.resultBytes)
        : undefined;
    const http = answered ?? stored?.http;
    const stackLines: AttemptLogLine[] = [];
    const outcome = await sandbox.invoke(invocation, {
      signal: context.stop ?? context.signal,
      span: context.span,
      onBegin: () => context.time?.begin(),
      onIsolate(isolate) {
        context.noteIsolate?.(isolate);
        if (isolate.loadMs !== undefined) parts.onColdStart?.(revisionId, isolate.loadMs);
      },
      onRequest: (request) => context.noteRequest?.(request),
      showHost: redactor.host,
      onLog({ level, message, fields, at }) {
        const line = context.log(level, redactor.text(message), fields && redactor.value(fields), at);
        if (line && stacks.concerns(line)) stackLines.push(line);
      },
      ...(parts.answerKv ? { kv: parts.answerKv(functionId) } : {}),
      ...(http ? { http } : {}),
    });
    for (const line of stackLines) await stacks.line(revisionId, line);
    const ended = nameLimit(stored ? stored.toOutcome(outcome) : outcome, limits.wallMs, run);
    const said = await withAuthorStack(ended, revisionId, stacks);
    return redactOutcome(said, redactor, answered !== undefined);
  };
}

/** The call of a run that was queued, where its caller waits for it. */
async function meetCaller(
  { spec }: ClaimedRun,
  request: StoredRequest | "gone",
  context: AttemptContext,
): Promise<HttpCall | undefined> {
  const apiId = spec.type === "function" ? holderOf(spec.input) : undefined;
  if (apiId === undefined) return undefined;
  return await context.meetCaller?.(apiId, request === "gone" ? undefined : request);
}

/** The sandbox knows what the attempt had left; authors hear of the limit that they set. */
function nameLimit(outcome: AttemptOutcome, wallMs: number, run: ClaimedRun): AttemptOutcome {
  if (outcome.kind !== "failed" || outcome.error.code !== "function_timeout") return outcome;
  const message =
    wallMs < run.policy.timeoutMs
      ? LIMIT_MESSAGES.wall({ wallMs })
      : `The function did not finish within its attempt's timeout of ${formatDuration(authorTimeoutMs(run, run.policy))}.`;
  return { ...outcome, error: { ...outcome.error, message } };
}

/** What is kept of the run. The response of a call that is answered directly is its caller's: none of it is kept. */
function redactOutcome(outcome: AttemptOutcome, redactor: Redactor, isCallers: boolean): AttemptOutcome {
  if (outcome.kind === "succeeded")
    return isCallers ? outcome : { ...outcome, result: redactor.value(outcome.result) };
  if (outcome.kind !== "failed") return outcome;
  const { code, message, details } = outcome.error;
  const error = {
    ...{ code, message: redactor.text(message) },
    ...(details === undefined ? {} : { details: redactor.value(details) }),
  };
  return { ...outcome, error };
}

interface LoadedFunction extends FunctionEnv {
  revision: RevisionFacts;
}

/** What the function is run with, where all of it is known already. */
function recallFunction(
  { revisions, envs }: FunctionRunnerParts,
  revisionId: string,
): LoadedFunction | undefined {
  const revision = revisions.recallFacts(revisionId);
  const env = revision && envs.recall(revisionId);
  return env && { revision, ...env };
}

/** What the function is run with, or why that cannot be had: none of it is the function's fault. */
async function loadFunction(
  { revisions, envs, clock, onLoadError }: FunctionRunnerParts,
  functionId: string,
  revisionId: string,
  context: AttemptContext,
): Promise<LoadedFunction | AttemptOutcome> {
  const load = async () => ({
    revision: await revisions.facts(revisionId),
    ...(await envs.find(revisionId)),
  });
  try {
    return await loadInTime(load, context, clock);
  } catch (error) {
    const code = toLoadFailure(error);
    if (code !== "database_unavailable") onLoadError(error, functionId);
    return failed(code, LOAD_FAILURES[code], { retryable: true });
  }
}

const LOAD_FAILURES = {
  database_unavailable: "The database did not answer within the attempt's time.",
  secrets_unavailable: "The function's secrets could not be opened; the worker's log says more.",
  function_unavailable: "The function could not be loaded; the worker's log says more.",
} as const satisfies { [code in RunErrorCode]?: string };

function toLoadFailure(error: unknown): keyof typeof LOAD_FAILURES {
  const code = error instanceof BellhopError ? error.code : "";
  return code === "database_unavailable" || code === "secrets_unavailable" ? code : "function_unavailable";
}

/** A failure whose stacks name the author's own lines. */
async function withAuthorStack(
  outcome: AttemptOutcome,
  revisionId: string,
  stacks: StackMapper,
): Promise<AttemptOutcome> {
  if (outcome.kind !== "failed") return outcome;
  const { error } = outcome;
  const details = error.details as { stack?: unknown; causes?: { stack: string }[] } | null | undefined;
  if (typeof details?.stack !== "string") return outcome;
  const told = { ...details, stack: await stacks.stack(revisionId, details.stack) };
  if (details.causes) {
    told.causes = [];
    for (const cause of details.causes) {
      told.causes.push({ ...cause, stack: await stacks.stack(revisionId, cause.stack) });
    }
  }
  return { ...outcome, error: { ...error, details: told } };
}

/** Undefined where the database does not give them: which says nothing of the function. */
async function findFacts(revisions: RevisionCache, revisionId: string): Promise<RevisionFacts | undefined> {
  try {
    return await revisions.facts(revisionId);
  } catch {
    return undefined;
  }
}
