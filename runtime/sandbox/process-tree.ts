/** The processes behind a process, as Linux tells them; elsewhere there are none to be seen. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** The children of a process, of all its threads. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1");
      return text.split(" ").filter(Boolean).map(Number);
    });
  } catch {
    // It is gone, or this is not Linux.
    return [];
  }
}

/**
 * The executor itself, of a child that holds it: the end of the line, as an executor has no children of its own. Ask
 * before it runs a guest.
 */
export function findExecutor(childPid: number): number {
  let pid = childPid;
  for (let children = childrenOf(pid); children.length > 0; children = childrenOf(pid)) pid = children[0]!;
  return pid;
}

/** All that descend from a process. */
export function descendantsOf(pid: number): number[] {
  const found = childrenOf(pid);
  // Grows while it is walked.
  for (const each of found) found.push(...childrenOf(each));
  return found;
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
