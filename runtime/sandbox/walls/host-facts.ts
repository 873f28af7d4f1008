/** What this host offers for walls. */
import { accessSync, constants, existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { HostFacts } from "./plan.ts";
import { type IdRange, idBlock } from "./uid-range.ts";

const TOOLS = ["setpriv", "unshare", "prlimit", "mount", "sh", "env", "ldd"] as const;
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The facts, and the user ids this worker may give to its executors. */
export function readHostFacts(): { facts: HostFacts; ids: IdRange | undefined } {
  const isLinux = process.platform === "linux";
  const ids = isLinux
    ? idBlock(readMap("/proc/self/uid_map"), readMap("/proc/self/gid_map"), process.pid + pidNamespaceSalt())
    : undefined;
  return {
    ids,
    facts: {
      isLinux,
      isRoot: process.geteuid?.() === 0,
      tools: isLinux ? findTools() : {},
      hasUidRange: ids !== undefined,
      tellsChildren: existsSync(`/proc/${process.pid}/task/${process.pid}/children`),
    },
  };
}

/** Of the namespace that a host starts with. */
const FIRST_PID_NAMESPACE = 0xefff_fffc;

/** Workers in containers often have the same pid: their namespaces tell them apart. */
function pidNamespaceSalt(): number {
  try {
    const { ino } = statSync("/proc/self/ns/pid");
    return ino === FIRST_PID_NAMESPACE ? 0 : Math.imul(ino, 2_654_435_761) >>> 0;
  } catch {
    return 0;
  }
}

function readMap(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The system's own folders first: what a PATH puts before them is not asked for. */
function findTools(): HostFacts["tools"] {
  const folders = [...SYSTEM_FOLDERS, ...(process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute)];
  const found: HostFacts["tools"] = {};
  for (const tool of TOOLS) {
    const path = folders.map((folder) => join(folder, tool)).find(isTrustworthy);
    if (path !== undefined) found[tool] = path;
  }
  return found;
}

/** A program that only its owner can change. */
function isTrustworthy(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    const { mode } = statSync(realpathSync(path));
    return (mode & 0o022) === 0;
  } catch {
    return false;
  }
}
