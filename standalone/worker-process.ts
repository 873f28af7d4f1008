/**
 * A worker as a child process, started anew when it dies. States: running → (crashed → waiting →) running …, and
 * stopping → gone. It stands in a process group of its own: Ctrl-C reaches this process only, which then drains it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../core/clock.ts";

const WORKER_MAIN = fileURLToPath(new URL("../runtime/main.ts", import.meta.url));
const RESTART_MS = [100, 1_000, 5_000, 15_000];
/** A worker that lived this long starts again without a wait. */
const STABLE_MS = 60_000;

export interface WorkerProcess {
  /** SIGTERM, and SIGKILL where it does not end within its drain and a little. */
  stop(): Promise<void>;
  /** SIGKILL, now. */
  kill(): void;
}

export function superviseWorker(
  env: NodeJS.ProcessEnv,
  drainMs: number,
  clock: Clock,
  onCrash: (detail: string) => void,
): WorkerProcess {
  const stopping = new AbortController();
  let child: ChildProcess | undefined;

  async function keepRunning(): Promise<void> {
    for (let crashes = 0; !stopping.signal.aborted; ) {
      const startedMs = clock.now().getTime();
      const ended = await runOnce();
      if (stopping.signal.aborted) return;
      onCrash(ended);
      crashes = clock.now().getTime() - startedMs > STABLE_MS ? 0 : crashes + 1;
      await clock.sleep(
        crashes === 0 ? 0 : RESTART_MS[Math.min(crashes, RESTART_MS.length) - 1]!,
        stopping.signal,
      );
    }
  }

  function runOnce(): Promise<string> {
    const flags = ["--disable-warning=TimeoutNegativeWarning"];
    const started = spawn(process.execPath, [...flags, WORKER_MAIN], {
      env,
      detached: true,
      // When this process is gone, the channel closes and the worker drains by itself.
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child = started;
    return new Promise((resolve) => {
      started.once("error", (error) => resolve(error.message));
      started.once("exit", (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
    });
  }

  const running = keepRunning();
  return {
    kill() {
      stopping.abort();
      child?.kill("SIGKILL");
    },
    async stop() {
      stopping.abort();
      child?.kill("SIGTERM");
      const over = new AbortController();
      void clock.sleep(drainMs + 10_000, over.signal).then(() => {
        if (!over.signal.aborted) child?.kill("SIGKILL");
      });
      await running;
      over.abort();
    },
  };
}
