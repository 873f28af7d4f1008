/**
 * Where the bundle of a worker begins. As a snapshot is made of it the whole program is loaded, and runs when a process
 * begins with that snapshot. The first executor is started before anything else; without a snapshot that is while the rest
 * of the program is loaded. A rehearsed start (rehearse-start.ts) ends before its lease. Made for
 * bundle-worker-program.ts, which says what stands in place of the constants.
 */
import "./load-alike.ts";
import { startupSnapshot } from "node:v8";
import { assumeGuestSnapshot } from "../../functions/guest/build/guest-snapshot.ts";
import { assumeExecutorBundle, type ExecutorBundle } from "../sandbox/parent/executor-bundle.ts";
import { assumeAddon, startExecutorAhead } from "../sandbox/parent/executor-command.ts";
import { assumeLibraries, type KnownLibraries } from "../sandbox/walls/jail.ts";
import { endLoading } from "./load-alike.ts";
import { REHEARSE, takeExpectedRevision } from "./worker-program.ts";

/** The snapshot of the sources that the bundle was made of; empty: it could not be made then. */
declare const GUEST_SNAPSHOT: string;
/** Those of an executor when the bundle was made. */
declare const LIBRARIES: KnownLibraries | undefined;
/** Where isolated-vm's was when the bundle was made. */
declare const ADDON: string | undefined;
/** With what V8 compiled of it while an executor was rehearsed: a file beside this one. */
declare const EXECUTOR_BUNDLE: ExecutorBundle | undefined;

/** More than its parent waits for it. */
const REHEARSAL_MS = 60_000;

async function loadProgram(): Promise<() => Promise<void>> {
  const [{ startWorkerRole, workerProgram }, { runRole }] = await Promise.all([
    import("../main.ts"),
    import("../../core/role.ts"),
  ]);
  if (!process.argv.includes(REHEARSE)) {
    return () => {
      const expectedRevisionId = takeExpectedRevision(process.env);
      const start: typeof workerProgram.start = (env, signal) =>
        startWorkerRole(env, signal, { expectedRevisionId });
      return runRole({ ...workerProgram, start });
    };
  }
  const rehearse: typeof workerProgram.start = async (env, signal) => {
    try {
      return await startWorkerRole(env, signal, { isRehearsal: true });
    } catch (error) {
      // Only one that came to its end ends well: of another the code would lack the rest.
      if (signal.aborted) throw new Error("it was stopped before its end");
      throw error;
    }
  };
  return () => runRole({ ...workerProgram, start: rehearse }, []);
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** What is laid out for executors goes with the exit. Of a rehearsal that ends so no code is kept. */
const endEarly = () => process.exit(process.argv.includes(REHEARSE) ? 1 : 0);

/** Laying out their walls keeps the thread for 30 ms: signals that come meanwhile are heard after it. */
function startExecutor(): void {
  // Who only asks for help needs none.
  if (process.argv.includes("--help")) return;
  for (const signal of SIGNALS) process.on(signal, endEarly);
  try {
    startExecutorAhead();
  } catch {
    // The worker tries it again, and tells what is wrong.
  }
}

/** The role hears signals by the time that this returns, those of before included. */
function begin(run: () => Promise<void>): void {
  void run();
  for (const signal of SIGNALS) process.off(signal, endEarly);
}

assumeGuestSnapshot(GUEST_SNAPSHOT);
assumeLibraries(LIBRARIES);
if (ADDON !== undefined) assumeAddon(ADDON);
if (EXECUTOR_BUNDLE !== undefined) assumeExecutorBundle(EXECUTOR_BUNDLE);
if (startupSnapshot.isBuildingSnapshot()) {
  void loadProgram().then((run) => {
    endLoading();
    startupSnapshot.setDeserializeMainFunction(() => {
      // First of all: a call waits for it longest.
      startExecutor();
      begin(run);
    });
  });
} else {
  // Whatever it hangs in: where its parent is gone nobody else ends it.
  if (process.argv.includes(REHEARSE)) setTimeout(() => process.exit(1), REHEARSAL_MS).unref();
  startExecutor();
  void loadProgram().then(begin);
}
