/**
 * A worker's start, rehearsed: a process does all that a worker does before it takes its lease, leaves no trace in the
 * database, and keeps the code that V8 compiled for it.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { WorkerFiles } from "./bundle-worker-program.ts";
import { nodeArguments, REHEARSE } from "./worker-program.ts";

const run = promisify(execFile);

const TIMEOUT_MS = 20_000;

/** `env`: a worker's. Answers where the code lies. */
export async function rehearseStart(
  { main, loader }: WorkerFiles,
  folder: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  const code = join(folder, "main.code");
  // A snapshot is not made in a process that begins with node's, and takes code of its like alone.
  const args = ["--no-node-snapshot", ...nodeArguments({ main: loader, snapshot: undefined })];
  await run(process.execPath, [...args, main, code, REHEARSE], { env, timeout: TIMEOUT_MS, signal });
  return code;
}
