/** The processes in which a worker runs functions, killed one at a time. */
import { childrenOf } from "../../../core/processes/process-tree.ts";
import { signalTree } from "../../../core/processes/signal.ts";
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
          if (child !== undefined) signalTree(child, "SIGKILL");
        },
      }
    );
  },
};
