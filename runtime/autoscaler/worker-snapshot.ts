/**
 * The worker's program as a process holds it that has just loaded it: a start from there reads one file, and runs nothing
 * of what modules begin with. It holds no setting: those are read by the worker that starts.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { WORKER_SURROUNDINGS } from "../worker-settings.ts";
import type { WorkerFiles } from "./bundle-worker-program.ts";
import { nodeArguments } from "./worker-program.ts";

const run = promisify(execFile);

const TIMEOUT_MS = 60_000;

/**
 * Makes it of the bundle, and has a process begin with it once. The path of its file.
 * @param code what a rehearsed start left of compiled code, if there was one
 * @param onError hears what was said while it was made, such as that V8 refused that code: it is made without it then
 */
export async function makeWorkerSnapshot(
  { main, loader }: WorkerFiles,
  code: string | undefined,
  folder: string,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<string> {
  const snapshot = join(folder, "worker.blob");
  const given = WORKER_SURROUNDINGS.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  const options = { env: Object.fromEntries(given), timeout: TIMEOUT_MS, signal };
  const loading = [...nodeArguments({ main: loader, snapshot }), main, ...(code === undefined ? [] : [code])];
  const { stderr } = await run(process.execPath, ["--no-warnings", "--build-snapshot", ...loading], options);
  if (stderr !== "") onError(new Error(stderr.trim()));
  await run(process.execPath, [...nodeArguments({ main, snapshot }), "--help"], options);
  return snapshot;
}
