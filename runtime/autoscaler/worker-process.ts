/**
 * A worker as a child process. States: starting → up → (retiring →) gone, or starting → gone. It stands in a process
 * group of its own: Ctrl-C reaches the parent only, which then drains it. When the parent is gone the channel closes,
 * and the worker drains by itself.
 */
import { spawn } from "node:child_process";
import { RETIRE, type RoleStarted } from "../../core/role.ts";
import { EXPECTED_REVISION, nodeArguments, type WorkerProgram } from "./worker-program.ts";

export interface WorkerExit {
  /** It ended without an error of its own: it was asked to. */
  isClean: boolean;
  /** "exit code 1", "signal SIGKILL", or why it could not be started. */
  detail: string;
}

export interface WorkerProcess {
  /** Undefined where the process could not be made. */
  pid: number | undefined;
  /** Resolves when it says that it runs; never, where it ends before. */
  started: Promise<RoleStarted>;
  exited: Promise<WorkerExit>;
  /** It takes nothing more, finishes what it has however long that takes, and ends. Also while it starts. */
  retire(): void;
  /** SIGTERM drains it within its WORKER_DRAIN. */
  signal(signal: "SIGTERM" | "SIGKILL"): void;
}

/**
 * Node reads a snapshot into several blocks of its size, each of which glibc would map and unmap by itself, until the first
 * one was freed: then it keeps blocks of that size, as it does here from the beginning.
 */
const MALLOC = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

/**
 * @param env exactly the worker's environment, but for where node keeps compiled code, how memory is had, and what it is
 * started for
 * @param revisionId what it is started for, if that is known
 */
export function startWorkerProcess(
  program: WorkerProgram,
  env: NodeJS.ProcessEnv,
  revisionId?: string,
): WorkerProcess {
  const { compileCache, snapshot } = program;
  // Only a start from the snapshot is so fast that it matters.
  const isToldWhatFor = snapshot !== undefined && revisionId !== undefined;
  const child = spawn(process.execPath, nodeArguments(program), {
    env: {
      ...env,
      GLIBC_TUNABLES: MALLOC,
      ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }),
      ...(isToldWhatFor ? { [EXPECTED_REVISION]: revisionId } : {}),
    },
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    pid: child.pid,
    started: new Promise((resolve) => child.once("message", (message) => resolve(message as RoleStarted))),
    exited: new Promise((resolve) => {
      child.on("error", (error) => {
        // Also told of a signal that was not delivered: then it lives.
        if (child.pid === undefined) resolve({ isClean: false, detail: error.message });
      });
      child.once("exit", (code, signal) =>
        resolve({ isClean: code === 0, detail: signal ? `signal ${signal}` : `exit code ${code}` }),
      );
    }),
    retire() {
      // One that is gone needs no word.
      if (child.connected) child.send(RETIRE, () => {});
    },
    signal: (signal) => void child.kill(signal),
  };
}
