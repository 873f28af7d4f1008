/** The program `bellhop` as somebody runs it: the built file, an environment of its own, a home of its own. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { guardProcess } from "../support/process-guard.ts";

const ROOT = join(import.meta.dirname, "..", "..");
export const PROGRAM = join(ROOT, "cli", "dist", "bellhop.mjs");

/** Several test files may do so at once: the file is put in place whole. */
export async function buildProgram(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, "cli", "build.ts")]);
}

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  env?: Record<string, string>;
  cwd?: string;
}

/** Somebody at a machine: a folder to work in, and what he is signed in with. */
export interface User {
  folder: string;
  env: Record<string, string>;
  /** Runs to its end. stdin is closed unless something is given. */
  run(args: string[], options?: RunOptions): Promise<Ended>;
  /** The same, of one that succeeds; its answer is JSON. */
  json<T>(args: string[], options?: RunOptions): Promise<T>;
  leave(): Promise<void>;
}

/** @param node which one runs the program */
export async function createUser(env: Record<string, string>, node = process.execPath): Promise<User> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-cli-"));
  const own = { HOME: folder, PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", TZ: "UTC", ...env };
  const run = (args: string[], { input, env: more = {}, cwd = folder }: RunOptions = {}) =>
    runToEnd(node, [PROGRAM, ...args], { cwd, env: { ...own, ...more } }, input);
  return {
    folder,
    env: own,
    run,
    async json(args, options) {
      const { code, stdout, stderr } = await run([...args, "--json"], options);
      if (code !== 0) throw new Error(`bellhop ${args.join(" ")} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout);
    },
    leave: () => rm(folder, { recursive: true, force: true }),
  };
}

async function runToEnd(
  file: string,
  args: string[],
  options: { cwd: string; env: Record<string, string> },
  input: string | undefined,
): Promise<Ended> {
  const child = spawn(file, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  const guard = guardProcess(child.pid!, { signal: "SIGKILL" });
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  guard.release();
  return { code: code ?? -1, stdout, stderr };
}
