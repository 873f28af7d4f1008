/** Ctrl-C: the command is told to stop and says nothing more; a second one ends the program at once. */
import { EXIT } from "./exit-codes.ts";

export function listenForInterrupt(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT.interrupted);
      stop.abort();
    });
  // Whoever reads has enough, as with `| head`.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(EXIT.ok);
      throw error;
    });
  return stop.signal;
}

/** Resolves after so long; rejects with what the signal aborts with. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", leave);
      resolve();
    }, ms);
    function leave() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal.addEventListener("abort", leave, { once: true });
  });
}
