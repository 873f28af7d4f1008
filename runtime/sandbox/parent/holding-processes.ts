/** The processes between a worker and the executor it started: found, marked, ended. */
import { writeFileSync } from "node:fs";
import { childrenOf } from "../../../core/processes/process-tree.ts";

/**
 * The executor itself, of a child that holds it: the end of the line, as an executor has no children of its own. Ask
 * before it runs a guest.
 */
export function findExecutor(childPid: number): number {
  let pid = childPid;
  for (let children = childrenOf(pid); children.length > 0; children = childrenOf(pid)) pid = children[0]!;
  return pid;
}

/** When the machine is out of memory, this process goes first. */
export function offerToOom(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // Not Linux, or gone: what matters is held elsewhere.
  }
}

/** Ends a child, its process group, and the executor that may have left the group. */
export function killTree(childPid: number, executorPid: number): void {
  for (const target of [executorPid, -childPid, childPid]) {
    try {
      process.kill(target, "SIGKILL");
    } catch {
      // Gone already.
    }
  }
}
