/** The processes behind a process, as Linux tells them; elsewhere there are none to be seen. */
import { readdirSync, readFileSync } from "node:fs";

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

/** All that descend from a process. */
export function descendantsOf(pid: number): number[] {
  const found = childrenOf(pid);
  // Grows while it is walked.
  for (const each of found) found.push(...childrenOf(each));
  return found;
}

/** The name of a process's program; undefined where it is gone. */
export function programOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}
