/** Telling one process from another that got the same pid later. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { platform } from "node:os";

/** The instant the process started, as an opaque text; undefined when no such process lives (a zombie does not). */
export function startMarkOf(pid: number): string | undefined {
  try {
    if (platform() !== "linux") return ps(pid, "lstart=") || undefined;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces: count from behind it. The state is field 3, the start time 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Whether this live process is a PostgreSQL server started with `-D dataFolder`; a zombie has no command line. */
export function servesFolder(pid: number, dataFolder: string): boolean {
  try {
    if (platform() !== "linux") return ps(pid, "command=").includes(`postgres -D ${dataFolder} `);
    const [program, ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return program!.endsWith("postgres") && args.includes(dataFolder);
  } catch {
    return false;
  }
}

function ps(pid: number, column: string): string {
  return execFileSync("ps", ["-ww", "-o", column, "-p", String(pid)], { encoding: "utf8" }).trim();
}
