/**
 * A worker's start, rehearsed: a process does all that a worker does before it takes its lease, leaves no trace in the
 * database, and keeps the code that V8 compiled for it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { WorkerFiles } from "./bundle-worker-program.ts";
import { hearEnd } from "./hear-end.ts";
import { nodeArguments, REHEARSE } from "./worker-program.ts";

const TIMEOUT_MS = 20_000;
/** One that is to stop closes what it opened; then it is ended. */
const STOP_TIMEOUT_MS = 10_000;

/** `env`: a worker's. Answers where the code lies; settles when nothing of the rehearsal runs any more. */
export async function rehearseStart(
  { main, loader }: WorkerFiles,
  folder: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<string> {
  signal.throwIfAborted();
  const code = join(folder, "main.code");
  // A snapshot is not made in a process that begins with node's, and takes code of its like alone.
  const args = ["--no-node-snapshot", ...nodeArguments({ main: loader, snapshot: undefined })];
  const child = spawn(process.execPath, [...args, main, code, REHEARSE], {
    env,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const timeout = AbortSignal.timeout(timeoutMs);
  const failure = await runToEnd(child, AbortSignal.any([signal, timeout]));
  signal.throwIfAborted();
  if (failure === undefined) return code;
  if (timeout.aborted) throw new Error(`the rehearsal of a worker's start took more than ${timeoutMs} ms`);
  throw new Error(`the rehearsal of a worker's start failed: ${failure}`);
}

/** Resolves when it has ended, with what it said where it did not end well. */
async function runToEnd(child: ChildProcess, stop: AbortSignal): Promise<string | undefined> {
  const ended = hearEnd(child);
  let killing: NodeJS.Timeout | undefined;
  const end = () => {
    // As where this process is gone. It hears of it at any time; SIGTERM would end it at once while it still loads.
    if (child.connected) child.disconnect();
    killing = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  };
  stop.addEventListener("abort", end, { once: true });
  try {
    return await ended;
  } finally {
    stop.removeEventListener("abort", end);
    clearTimeout(killing);
  }
}
