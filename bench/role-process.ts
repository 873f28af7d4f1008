/** A role as a process of its own, for benchmarks. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ROLE_FLAGS } from "../core/role-flags.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

export interface RoleProcess {
  pid: number;
  port: number;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface LogEntry {
  port?: number;
  level: string;
  [field: string]: unknown;
}

/** Starts a role as its own process; resolves when its log says which port it took. Shows warnings that are not expected. */
export async function startRole(
  file: string,
  env: NodeJS.ProcessEnv,
  onEntry?: (entry: LogEntry) => void,
  isExpected: (entry: LogEntry) => boolean = () => false,
): Promise<RoleProcess> {
  const child: ChildProcess = spawn(process.execPath, [...ROLE_FLAGS, join(root, file)], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const entry = JSON.parse(line) as LogEntry;
      onEntry?.(entry);
      if (entry.port !== undefined) resolve(entry.port);
      const isNews = entry.level === "error" || (entry.level === "warn" && !isExpected(entry));
      if (isNews) process.stderr.write(`${line}\n`);
    });
    void exited.then(() => reject(new Error(`${file} ended before it was ready`)));
  });
  return {
    pid: child.pid!,
    port,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
