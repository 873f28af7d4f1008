/**
 * No test and no benchmark leaves a process behind, however its own process ends: a shell in a group of its own waits on a
 * pipe from us. When the pipe breaks (we exited, crashed or were killed) it ends the guarded process and clears its folder.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

export interface ProcessGuard {
  /** The process has ended and its folder is dealt with: the guard leaves without touching either. */
  release(): void;
}

const SCRIPT = `
  if read -r _; then exit 0; fi
  kill -s "$2" "$1" 2>/dev/null
  [ -n "$3" ] || exit 0
  tries=0
  while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
  rm -rf "$3"`;

export function guardProcess(
  pid: number,
  options: { signal: NodeJS.Signals; removeFolder?: string },
): ProcessGuard {
  const { signal, removeFolder = "" } = options;
  const args = ["-c", SCRIPT, "process-guard", String(pid), signal.replace(/^SIG/, ""), removeFolder];
  const guard = spawn("/bin/sh", args, { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  const pipe = guard.stdin as Socket;
  pipe.on("error", () => {});
  guard.unref();
  pipe.unref();
  return { release: () => pipe.end("done\n") };
}
