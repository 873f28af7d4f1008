/** The processes in which a worker runs functions, killed one at a time. */
import { childrenOf, descendantsOf } from "../../../core/processes/process-tree.ts";
import { type Fault, pickAgain, pickOf } from "./fault.ts";

/** Whatever a worker started: executors, and what stands between it and them. */
export const executor: Fault = {
  weight: 2,
  lastsMs: [0, 0],
  aim(system, pick) {
    const worker = pickOf(system.ofKind("worker"), pick);
    return (
      worker && {
        part: worker.name,
        async inflict() {
          const children = childrenOf(worker.pid);
          const child = pickOf(children, pickAgain(pick));
          if (child !== undefined) killTree(child);
        },
      }
    );
  },
};

function killTree(pid: number): void {
  for (const each of [pid, ...descendantsOf(pid)]) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}
