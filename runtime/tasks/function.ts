import { failed } from "../../core/domain/attempt.ts";
import { ByteLru } from "../sandbox/byte-lru.ts";
import type { Sandbox } from "../sandbox/invocation.ts";
import type { TaskRunner } from "./task-runner.ts";

const DEFAULT_MEMORY_MB = 128;
const MAX_CACHED_CODE_BYTES = 64_000_000;
/** The sandbox stops a function this much before the attempt's own clock does: its word says more. */
const HEAD_START_MS = 50;

export interface FunctionRunnerParts {
  sandbox: Sandbox;
  /** The built script of a revision; rejects where it cannot be had. */
  loadCode(revisionId: string): Promise<string>;
}

/** Runs `function` tasks: one invocation of the run's revision in the sandbox, until the attempt's deadline. */
export function createFunctionRunner({ sandbox, loadCode }: FunctionRunnerParts): TaskRunner {
  const loadCached = cacheCode(loadCode);
  return async (run, context) => {
    const { spec, revisionId } = run;
    if (spec.type !== "function" || revisionId === null) {
      const message = "The function of this run does not exist or has no revision.";
      return failed("function_not_found", message, { retryable: false });
    }
    const invocation = {
      runId: run.id,
      namespaceId: run.namespaceId,
      revisionId,
      code: () => loadCached(revisionId),
      input: spec.input,
      attempt: run.attempt,
      scheduledFor: run.scheduledFor,
      deadlineAt: context.deadlineAt,
      env: {},
      limits: { memoryMb: DEFAULT_MEMORY_MB, wallMs: chooseWallMs(context.deadlineAt, new Date()) },
    };
    return sandbox.invoke(invocation, {
      signal: context.signal,
      onLog: ({ level, message, fields, at }) => context.log(level, message, fields, at),
    });
  };
}

function chooseWallMs(deadlineAt: Date, now: Date): number {
  const leftMs = deadlineAt.getTime() - now.getTime();
  return Math.max(1, leftMs - Math.min(HEAD_START_MS, leftMs / 2));
}

/** Keeps what was loaded, and loads a revision once however many ask; revisions never change. */
function cacheCode(
  loadCode: (revisionId: string) => Promise<string>,
): (revisionId: string) => Promise<string> {
  const cached = new ByteLru<string>(MAX_CACHED_CODE_BYTES);
  const loading = new Map<string, Promise<string>>();
  const load = async (revisionId: string): Promise<string> => {
    try {
      const code = await loadCode(revisionId);
      cached.set(revisionId, code, code.length * 2);
      return code;
    } finally {
      loading.delete(revisionId);
    }
  };
  return (revisionId) => {
    const known = cached.get(revisionId);
    if (known !== undefined) return Promise.resolve(known);
    let pending = loading.get(revisionId);
    if (!pending) {
      pending = load(revisionId);
      loading.set(revisionId, pending);
    }
    return pending;
  };
}
