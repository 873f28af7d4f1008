import type { Bell } from "../queue/transport.ts";
import { CALLBACK_BATCH, makeCallbacks } from "../store/callbacks/make-callbacks.ts";
import type { Store } from "../store/database.ts";
import type { Logger } from "../telemetry/log.ts";

/** Of many, a line names these. */
const LOGGED_RUNS = 20;

/** Makes the runs of the callbacks of all ends that were noted, and rings them; what is not rung is found in the table. */
export async function ringCallbacks(
  store: Store,
  ring: (bells: Bell[]) => Promise<unknown>,
  log: Logger,
): Promise<void> {
  for (let dealtWith = CALLBACK_BATCH; dealtWith === CALLBACK_BATCH; ) {
    const { runs, ends, bounded } = await makeCallbacks(store);
    if (bounded.length > 0)
      log.warn({ runs: bounded.slice(0, LOGGED_RUNS) }, "a chain of callbacks has reached its bound");
    if (runs.length > 0) await ring(runs);
    dealtWith = ends;
  }
}
