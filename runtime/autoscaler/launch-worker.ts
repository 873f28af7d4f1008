/** Starts workers as fast as it goes: from the bundle's snapshot while node takes it. */
import type { WorkerBundle } from "./worker-bundle.ts";
import { startWorkerProcess, type WorkerProcess } from "./worker-process.ts";

/**
 * A snapshot fits the node that made it, which may be replaced while this process runs: where a worker from it fails before
 * it is up, those after it start without.
 * @param onDropped hears it once, with how that worker ended
 * @param revisionId what it is started for, if that is known
 */
export function launchWorker(
  bundle: WorkerBundle,
  env: NodeJS.ProcessEnv,
  onDropped: (detail: string) => void,
  revisionId?: string,
): WorkerProcess {
  const program = bundle.program();
  const worker = startWorkerProcess(program, env, revisionId);
  const { snapshot } = program;
  if (snapshot === undefined) return worker;
  let isUp = false;
  void worker.started.then(() => {
    isUp = true;
  });
  void worker.exited.then(({ isClean, detail }) => {
    // SIGTERM is somebody's wish, and may come before the worker listens for it.
    if (isUp || isClean || detail === "signal SIGTERM") return;
    if (bundle.dropSnapshot(snapshot)) onDropped(detail);
  });
  return worker;
}
