/** Where an assembled test file can run. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import { ExecutorPool } from "../../runtime/sandbox/parent/executor-pool.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../../runtime/sandbox/settings.ts";
import type { RealmResult, TestRun } from "./assemble.ts";

/** What a run came to; `error` where the realm did not answer. */
export type RunAnswer = RealmResult | { error: string };

export interface Target {
  run(run: TestRun): Promise<RunAnswer>;
  close(): Promise<void>;
}

const CHILD = fileURLToPath(new URL("node-child.js", import.meta.url));
/** After the realm's own timeout, for what holds its thread. */
const GRACE_MS = 15_000;
const MEMORY_MB = 512;
const RETRIED = new Set(["executor_killed", "executor_unavailable", "executor_fault"]);

/** A new process for each file. */
export function nodeTarget(): Target {
  return {
    run: ({ code, timeoutMs }) =>
      new Promise((resolve) => {
        const child = fork(CHILD, { stdio: "ignore" });
        const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs + GRACE_MS);
        let answer: RunAnswer | undefined;
        child.once("message", (message) => {
          answer = message as RunAnswer;
        });
        child.once("error", (error) => {
          clearTimeout(timer);
          resolve({ error: `the process did not start: ${error.message}` });
        });
        child.once("close", (status, signal) => {
          clearTimeout(timer);
          resolve(answer ?? { error: `the process ended with ${signal ?? status}` });
        });
        child.send(code);
      }),
    close: async () => {},
  };
}

/** The real sandbox, with executor processes; a new isolate for each file. */
export function sandboxTarget(): Target {
  const pool = new ExecutorPool({ ...DEFAULT_SANDBOX_SETTINGS, maxResidentMb: 3_072 }, undefined);
  let runs = 0;
  const invoke = ({ code, timeoutMs }: TestRun) => {
    const wallMs = timeoutMs + GRACE_MS;
    const now = Date.now();
    const name = `conformance-${++runs}`;
    return pool.invoke(
      {
        runId: name,
        namespaceId: "conformance",
        revisionId: name,
        code,
        input: null,
        attempt: 1,
        scheduledFor: new Date(now),
        env: {},
        limits: { ...DEFAULT_FUNCTION_LIMITS, memoryMb: MEMORY_MB, wallMs, cpuMs: wallMs },
        reuse: false,
        trigger: "invoke",
        traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
      },
      { signal: new AbortController().signal, onLog() {} },
    );
  };
  return {
    async run(run) {
      let outcome = await invoke(run);
      // A neighbour may have ended the executor.
      if (outcome.kind === "failed" && RETRIED.has(outcome.error.code)) outcome = await invoke(run);
      if (outcome.kind === "succeeded") return outcome.result as unknown as RealmResult;
      return {
        error: outcome.kind === "failed" ? `${outcome.error.code}: ${outcome.error.message}` : outcome.kind,
      };
    },
    close: () => pool.close(),
  };
}
