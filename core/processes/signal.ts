/** Signals to processes that may end by themselves at any moment. */
import { descendantsOf } from "./process-tree.ts";

/** Sends a signal, to a group where `pid` is negative. False where nobody of that number is left; other errors are thrown. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Sends a signal to a process and to all that descend from it, the process itself first. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  // Those of a process that ends are its descendants no more; one that stops may have started others until then.
  const before = descendantsOf(pid);
  signalProcess(pid, signal);
  for (const each of new Set([...before, ...descendantsOf(pid)])) signalProcess(each, signal);
}
