/** Temporary folders of one process each: named for the process they belong to, so that what a killed one left is found. */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Makes a folder of this process's own in `parent`, and clears away those of processes that are gone. */
export function makeOwnFolder(parent: string, prefix: string): string {
  const namespace = pidNamespace();
  if (namespace !== undefined) clearStale(parent, prefix, namespace);
  const owner = `${namespace ?? 0}-${process.pid}-${startTimeOf(process.pid) ?? 0}`;
  return mkdtempSync(join(parent, `${prefix}-${owner}-`));
}

/** Processes of another pid namespace, such as another container's, cannot be judged from here. */
function clearStale(parent: string, prefix: string, namespace: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(`${prefix}-`)) continue;
    const [, of, pid, startTime] = /^(\d+)-(\d+)-(\d+)-\w+$/.exec(name.slice(prefix.length + 1)) ?? [];
    if (of !== namespace || startTimeOf(Number(pid)) === startTime) continue;
    removeOwn(join(parent, name));
  }
}

/** What another user made under such a name is left alone: its parts may turn into links to ours while they are removed. */
function removeOwn(folder: string): void {
  if (!isOwn(folder)) return;
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Whoever cleared it away at the same time was faster.
  }
}

/** Whether there is such a file or folder and it belongs to this process's user; links are not followed. */
export function isOwn(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && (!process.getuid || found.uid === process.getuid());
}

function pidNamespace(): string | undefined {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
  } catch {
    return undefined;
  }
}

/** Tells a process from a later one with its pid: ticks since boot. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold spaces: count from behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
