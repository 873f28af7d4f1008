/**
 * An executor's first calls, rehearsed: what V8 compiled for them executors need not compile. It is code alone, of the
 * sources: the process has no settings, and what it runs is the function below.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import { messageOf } from "../../core/errors.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import { createTraceparent } from "../runners/trace-context.ts";
import { type ExecutorBundle, sha256Of } from "../sandbox/parent/executor-bundle.ts";
import { nodeFlags, outerFiles, programArguments } from "../sandbox/parent/executor-command.ts";
import { createSandbox, type Sandbox } from "../sandbox/sandbox.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../sandbox/settings.ts";
import { hearEnd } from "./hear-end.ts";

const REHEARSED = fileURLToPath(new URL("rehearsed-executor.ts", import.meta.url));
const TIMEOUT_MS = 20_000;
const WALL_MS = 5_000;

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

export interface RehearsedParts {
  bundle: ExecutorBundle;
  /** The path of the guest's. */
  guestSnapshot: string;
}

/** Answers the bundle with its code, which lies in the folder; settles when nothing of the rehearsal runs any more. */
export async function rehearseExecutor(
  folder: string,
  { bundle, guestSnapshot }: RehearsedParts,
  signal: AbortSignal = new AbortController().signal,
  timeoutMs = TIMEOUT_MS,
): Promise<ExecutorBundle> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, timeout]);
  const [program, path] = [join(folder, "executor.cjs"), join(folder, "executor.code")];
  try {
    await writeFile(program, bundle.program);
    stop.throwIfAborted();
    await runCalls(start(program, path, guestSnapshot), stop);
    return { ...bundle, code: { path, sha256: sha256Of(await readFile(path)) } };
  } catch (error) {
    await rm(path, { force: true });
    signal.throwIfAborted();
    if (timeout.aborted) throw new Error(`the rehearsal of an executor took more than ${timeoutMs} ms`);
    throw error;
  } finally {
    await rm(program, { force: true });
  }
}

function start(program: string, code: string, guestSnapshot: string): ChildProcess {
  const own = programArguments(outerFiles(guestSnapshot), DEFAULT_SANDBOX_SETTINGS);
  const args = [...nodeFlags(DEFAULT_SANDBOX_SETTINGS), REHEARSED, program, code, ...own];
  return spawn(process.execPath, args, {
    env: {},
    detached: true,
    stdio: ["pipe", "ignore", "pipe", "pipe"],
  });
}

/** Until it has kept its code. There is this one process: the sandbox is closed with it, and would start no other. */
async function runCalls(child: ChildProcess, stop: AbortSignal): Promise<void> {
  const ended = hearEnd(child).catch(messageOf);
  const sandbox = createSandbox({ spareExecutors: 0, spawn: () => child });
  const close = () => void sandbox.close();
  for (const event of ["exit", "error"]) child.once(event, close);
  stop.addEventListener("abort", close, { once: true });
  try {
    for (const path of PATHS) await call(sandbox, path);
    child.ref();
    child.stdin?.end();
    if ((await ended) !== undefined) throw new Error("the rehearsal of an executor kept no code");
  } catch (error) {
    const isAlive = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    if (isAlive) throw error;
    throw new Error(`${messageOf(error)}: ${(await ended) ?? "it ended"}`);
  } finally {
    stop.removeEventListener("abort", close);
    await sandbox.close();
  }
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
