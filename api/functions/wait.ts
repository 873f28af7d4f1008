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

export function createFinishWaiter(listener: Listener, clock: Clock): FinishWaiter {
  /** Aborted: there was word. */
  const expected = new Map<string, AbortController>();
  listener.on("bellhop_finished", ({ ids, resync }) => {
    for (const id of resync ? [...expected.keys()] : ids) expected.get(id)?.abort();
  });
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
