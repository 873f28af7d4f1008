/** For tests: a real sandbox, and calls of functions given as source. */
import type { TestContext } from "node:test";
import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import type { IsolateFacts, SubRequest } from "../../core/domain/attempt-facts.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import type { RunError } from "../../core/domain/run-errors.ts";
import type { Json } from "../../core/json.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import type { HttpCall, InvocationLimits, KeyValueAnswerer, LogLine } from "./invocation.ts";
import { ExecutorPool } from "./parent/executor-pool.ts";
import { DEFAULT_SANDBOX_SETTINGS, type SandboxParts, type SandboxSettings } from "./settings.ts";

export interface CallOptions {
  input?: Json;
  cron?: string;
  namespaceId?: string;
  /** Calls that share one share the isolate. */
  revisionId?: string;
  wallMs?: number;
  /** Beside wallMs 60,000, which only what never ends reaches, and memoryMb 64. */
  limits?: Partial<InvocationLimits>;
  memoryMb?: number;
  reuse?: boolean;
  env?: Record<string, string>;
  signal?: AbortSignal;
  http?: HttpCall;
  kv?: KeyValueAnswerer;
  onBegin?(): void;
  onIsolate?(isolate: IsolateFacts): void;
  onRequest?(request: SubRequest): void;
}

export interface Call {
  outcome: Promise<AttemptOutcome>;
  lines: LogLine[];
  /** Resolves when the function has logged a line with this message. */
  logged(message: string): Promise<void>;
}

export interface SandboxFixture {
  pool: ExecutorPool;
  /** Begins a call of `export default` in the source. */
  begin(source: string, options?: CallOptions): Promise<Call>;
  /** A whole call. */
  call(source: string, options?: CallOptions): Promise<AttemptOutcome>;
}

let nextRevision = 1;
const built = new Map<string, Promise<string>>();

function build(source: string): Promise<string> {
  let code = built.get(source);
  if (!code) {
    code = buildRevision({ files: { "index.ts": source }, entry: "index.ts" }).then(
      (revision) => revision.code,
    );
    built.set(source, code);
  }
  return code;
}

export function startSandbox(
  settings: Partial<SandboxSettings> = {},
  parts: SandboxParts = {},
): SandboxFixture {
  const pool = new ExecutorPool({ ...DEFAULT_SANDBOX_SETTINGS, ...settings }, parts);
  const begin = async (source: string, options: CallOptions = {}): Promise<Call> => {
    const code = await build(source);
    const lines: LogLine[] = [];
    const watchers = new Set<() => void>();
    const { namespaceId = "ns", wallMs = 60_000, memoryMb = 64 } = options;
    const outcome = pool.invoke(
      {
        runId: "run-1",
        namespaceId,
        revisionId: options.revisionId ?? `revision-${nextRevision++}`,
        code,
        input: options.input ?? null,
        attempt: 1,
        scheduledFor: new Date("2026-01-02T03:04:05.678Z"),
        ...(options.cron === undefined ? {} : { cron: options.cron }),
        env: options.env ?? {},
        limits: { ...DEFAULT_FUNCTION_LIMITS, memoryMb, wallMs, ...options.limits },
        reuse: options.reuse ?? true,
        trigger: "invoke",
        traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
      },
      {
        signal: options.signal ?? new AbortController().signal,
        ...(options.http ? { http: options.http } : {}),
        ...(options.kv ? { kv: options.kv } : {}),
        ...(options.onBegin ? { onBegin: options.onBegin } : {}),
        ...(options.onIsolate ? { onIsolate: options.onIsolate } : {}),
        ...(options.onRequest ? { onRequest: options.onRequest } : {}),
        onLog(line) {
          lines.push(line);
          for (const watcher of watchers) watcher();
        },
      },
    );
    const logged = (message: string) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!lines.some((line) => line.message === message)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      });
    return { outcome, lines, logged };
  };
  const call = async (source: string, options?: CallOptions) => (await begin(source, options)).outcome;
  return { pool, begin, call };
}

/** A sandbox of its own for one test. */
export function startSandboxFor(
  t: TestContext,
  settings: Partial<SandboxSettings> = {},
  parts?: SandboxParts,
): SandboxFixture {
  const fixture = startSandbox(settings, parts);
  t.after(() => fixture.pool.close());
  return fixture;
}

/** The result of an outcome that must be a success. */
export function resultOf(outcome: AttemptOutcome): Json {
  if (outcome.kind !== "succeeded") throw new Error(`not a success: ${JSON.stringify(outcome)}`);
  return outcome.result;
}

/** The error of an outcome that must be a failure, and whether it may be tried again. */
export function errorOf(outcome: AttemptOutcome): RunError & { retryable: boolean } {
  if (outcome.kind !== "failed") throw new Error(`not a failure: ${JSON.stringify(outcome)}`);
  return { ...outcome.error, retryable: outcome.retryable };
}
