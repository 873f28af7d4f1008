/** Waiting for a run to end: a bell from its worker, and a look at the row behind it in case the bell is lost. */
import type { Clock } from "../../core/clock.ts";
import type { Listener } from "../../core/store/listen.ts";

export interface FinishWaiter {
  /** Resolves when the run is said to have ended, after a while without word, or when the signal aborts. */
  next(runId: string, signal: AbortSignal): Promise<void>;
  /** Word of runs is kept from here until `forget`: register before the run is made known. */
  expect(runId: string): void;
  forget(runId: string): void;
  /** Runs whose word is waited for. */
  readonly count: number;
}

const LOOK_EVERY_MS = 1_000;

/** @param findEnded those of the runs that have ended: asked when word may be missing, for all at once */
export function createFinishWaiter(
  listener: Listener,
  clock: Clock,
  findEnded: (runIds: string[]) => Promise<string[]>,
): FinishWaiter {
  /** Aborted: there was word. */
  const expected = new Map<string, AbortController>();
  let isAsking = false;

  const tell = (ids: string[]) => {
    for (const id of ids) expected.get(id)?.abort();
  };

  /** What is not found here is found by the look that follows. */
  async function ask(): Promise<void> {
    if (isAsking || expected.size === 0) return;
    isAsking = true;
    await findEnded([...expected.keys()]).then(tell, () => {});
    isAsking = false;
  }

  listener.on("bellhop_finished", ({ ids, resync }) => (resync ? void ask() : tell(ids)));
  return {
    get count() {
      return expected.size;
    },
    expect(runId) {
      expected.set(runId, new AbortController());
    },
    forget(runId) {
      expected.delete(runId);
    },
    async next(runId, signal) {
      const word = expected.get(runId);
      await clock.sleep(LOOK_EVERY_MS, word ? AbortSignal.any([signal, word.signal]) : signal);
      // Looked and not ended: the next word is waited for anew.
      if (word?.signal.aborted) expected.set(runId, new AbortController());
    },
  };
}
