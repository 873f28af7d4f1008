/**
 * An executor's first calls, rehearsed: what V8 compiled for them executors need not compile. It is code alone, of the
 * sources: the process has no settings, and what it runs is the function below.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import { createTraceparent } from "../runners/trace-context.ts";
import { readExecutorBundle } from "../sandbox/parent/executor-bundle.ts";
import { nodeFlags, outerFiles, programArguments } from "../sandbox/parent/executor-command.ts";
import { createSandbox, type Sandbox } from "../sandbox/sandbox.ts";
import type { SandboxSettings } from "../sandbox/settings.ts";

const REHEARSED = fileURLToPath(new URL("rehearsed-executor.ts", import.meta.url));
const TIMEOUT_MS = 20_000;
const WALL_MS = 5_000;
const MAX_SAID_CHARS = 5_000;

/** One answer goes whole, one in parts. */
const PATHS = ["/short", "/parts"];
const FUNCTION = `
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
  const answerInParts = () => {
    let parts = 0;
    return new ReadableStream({
      async pull(controller) {
        await pause();
        if (parts++ < 3) controller.enqueue(new TextEncoder().encode("part"));
        else controller.close();
      },
    });
  };
  exports.default = {
    fetch(request) {
      console.log("rehearsed");
      return new Response(new URL(request.url).pathname === "/short" ? "short" : answerInParts());
    },
  };`;

/** Answers where the code lies. `signal` ends it. */
export async function rehearseExecutor(
  folder: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<string> {
  signal.throwIfAborted();
  const [program, code] = [join(folder, "executor.cjs"), join(folder, "executor.code")];
  await writeFile(program, readExecutorBundle().program);
  const started = Promise.withResolvers<ChildProcess>();
  const sandbox = createSandbox({
    spareExecutors: 0,
    spawn(settings) {
      const child = start(program, code, settings, signal);
      started.resolve(child);
      return child;
    },
  });
  try {
    for (const path of PATHS) await call(sandbox, path);
    await keepCode(await started.promise);
  } finally {
    await sandbox.close();
  }
  return code;
}

function start(program: string, code: string, settings: SandboxSettings, signal: AbortSignal): ChildProcess {
  const own = programArguments(outerFiles(), settings);
  return spawn(process.execPath, [...nodeFlags(settings), REHEARSED, program, code, ...own], {
    env: {},
    detached: true,
    stdio: ["pipe", "ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    signal,
    killSignal: "SIGKILL",
  });
}

async function call(sandbox: Sandbox, path: string): Promise<void> {
  const head = { method: "GET", url: `http://localhost${path}`, headers: [], hasBody: false };
  const http = { head, onOpen() {}, onHead() {}, onData() {}, onEnd() {}, onPull() {} };
  const { concurrency: _store, ...limits } = DEFAULT_FUNCTION_LIMITS;
  const invocation = {
    ...{ runId: "rehearsal", namespaceId: "rehearsal", revisionId: "rehearsal", code: FUNCTION, input: null },
    ...({ attempt: 1, trigger: "http", scheduledFor: new Date(), reuse: true, env: {} } as const),
    limits: { ...limits, wallMs: WALL_MS },
    traceparent: createTraceparent("rehearsal"),
  };
  const outcome = await sandbox.invoke(invocation, { signal: new LazyAbort(), onLog() {}, http });
  if (outcome.kind !== "succeeded")
    throw new Error(`the rehearsal of an executor's first call failed: ${JSON.stringify(outcome)}`);
}

async function keepCode(child: ChildProcess): Promise<void> {
  child.ref();
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-MAX_SAID_CHARS);
  });
  const exited = once(child, "exit");
  child.stdin?.end();
  const [status] = await exited;
  if (status !== 0) throw new Error(`the rehearsal of an executor kept no code: ${said.trim() || status}`);
}
