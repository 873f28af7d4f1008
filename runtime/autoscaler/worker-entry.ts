/**
 * Where the bundle of a worker begins: the first executor starts while the rest of the program is loaded, so that one is
 * ready as soon as the other. Made for bundle-worker-program.ts, which says what stands in place of the constants.
 */
import { assumeGuestSnapshot } from "../../functions/guest/build/guest-snapshot.ts";
import { startExecutorAhead } from "../sandbox/parent/executor-command.ts";
import { assumeLibraries, type KnownLibraries } from "../sandbox/walls/jail.ts";

/** The snapshot of the sources that the bundle was made of; empty: it could not be made then. */
declare const GUEST_SNAPSHOT: string;
/** Those of an executor when the bundle was made. */
declare const LIBRARIES: KnownLibraries | undefined;

assumeGuestSnapshot(GUEST_SNAPSHOT);
assumeLibraries(LIBRARIES);
try {
  startExecutorAhead();
} catch {
  // The worker tries it again, and tells what is wrong.
}
const [{ workerProgram }, { runRole }] = await Promise.all([
  import("../main.ts"),
  import("../../core/role.ts"),
]);
await runRole(workerProgram);
