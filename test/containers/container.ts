/**
 * A container of a simulated image: its own processes, mounts, IPC and host name, a read-only root, the image's user
 * without capabilities. The network is this machine's. States: starting (no process 1 yet) → running → exited.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../core/store/testing/test-store.ts";
import { guardProcess } from "../support/process-guard.ts";
import { type RunningProcess, startCommand } from "../support/processes.ts";
import type { Image } from "./image.ts";
import { rootedWords } from "./root.ts";

export interface Container extends Pick<RunningProcess, "lines" | "logs" | "waitForLine" | "exited"> {
  /** The image's stop signal, sent to process 1. */
  stop(): Promise<{ code: number | null; stoppedInMs: number }>;
  /** Runs a command beside process 1, as `docker exec` and health checks do. */
  execute(words: string[]): Promise<{ code: number; output: string }>;
  /** The states of all its processes, as /proc tells them: `S`, `R`, `Z`. */
  processStates(): { name: string; state: string }[];
}

export interface ContainerOptions {
  name: string;
  /** In place of the image's. */
  words?: string[];
  env?: Record<string, string>;
  /** As compose.walls.yml grants it. */
  mayMakeNamespaces?: boolean;
}

const EXECUTE_TIMEOUT_MS = 60_000;
const run = promisify(execFile);

export async function startContainer(image: Image, options: ContainerOptions): Promise<Container> {
  const words = [...image.entrypoint, ...(options.words ?? image.command)];
  const env = { ...image.env, HOME: "/", ...options.env };
  const { root, workingFolder, user } = image;
  const mountPoint = mkdtempSync(join(tmpdir(), "bellhop-container-"));
  const place = { root, isReadOnly: true, mountPoint, scratch: "/tmp" };
  const { mayMakeNamespaces = false } = options;
  const rooted = rootedWords({ ...place, workingFolder, user, env, words, mayMakeNamespaces });
  const outer = startCommand(options.name, rooted);
  const first = await until(async () => childrenOf(outer.pid)[0]);
  const guard = guardProcess(first, { signal: "SIGKILL", removeFolder: mountPoint });
  const exited = outer.exited.finally(() => {
    guard.release();
    rmSync(mountPoint, { recursive: true, force: true });
  });
  // Once the words are process 1's own, it has entered its root.
  await until(async () => (commandLineOf(first).startsWith(words[0]!) ? true : undefined));
  return {
    get lines() {
      return outer.lines;
    },
    get logs() {
      return outer.logs;
    },
    waitForLine: outer.waitForLine,
    exited,
    async stop() {
      const askedMs = performance.now();
      process.kill(first, image.stopSignal);
      const { code } = await exited;
      return { code, stoppedInMs: performance.now() - askedMs };
    },
    async execute(inner) {
      const [uid, gid] = user.split(":");
      const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      const args = [
        ...["--target", String(first), "--mount", "--pid", "--ipc", "--uts", "--root"],
        ...["--", "setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--no-new-privs"],
        ...["--inh-caps=-all", "--bounding-set=-all", "--", "env", "-i", `--chdir=${workingFolder}`],
        ...[...variables, ...inner],
      ];
      try {
        const { stdout, stderr } = await run("nsenter", args, { timeout: EXECUTE_TIMEOUT_MS });
        return { code: 0, output: stdout + stderr };
      } catch (error) {
        const {
          code,
          stdout = "",
          stderr = "",
        } = error as { code?: number; stdout?: string; stderr?: string };
        return { code: typeof code === "number" ? code : 1, output: stdout + stderr };
      }
    },
    processStates: () => listProcesses(first),
  };
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Those of the process's pid namespace, seen through its own /proc. */
function listProcesses(first: number): { name: string; state: string }[] {
  const folder = `/proc/${first}/root/proc`;
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(join(folder, name, "status"), "utf8");
        const field = (key: string) => new RegExp(`^${key}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
        return [{ name: field("Name"), state: field("State") }];
      } catch {
        return [];
      }
    });
}
