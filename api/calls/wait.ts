/**
 * Waiting for runs to end: a bell from the worker, and a look at the rows behind it in case the bell is lost. One look
 * for all who wait.
 */
import type { Clock } from "../../core/clock.ts";
import { createLoopRest } from "../../core/loop-rest.ts";
import type { Listener } from "../../core/store/listen.ts";

export interface FinishWaiter {
  /** Word of the run is kept from here: register before the run is made known. */
  expect(runId: string): ExpectedEnd;
  /** Who waits. */
  readonly count: number;
}

export interface ExpectedEnd {
  /** Resolves when the run is said to have ended, after so long, or when the signal aborts. */
  next(maxMs: number, signal: AbortSignal): Promise<void>;
  forget(): void;
}

const LOOK_EVERY_MS = 1_000;

export interface FinishWaiterParts {
  listener: Pick<Listener, "on">;
  clock: Clock;
  /** Those of the runs that have not ended. */
  findOpen(runIds: string[]): Promise<Set<string>>;
  /** A look that failed; the next one is soon. */
  onError(error: unknown): void;
}

export function createFinishWaiter({ listener, clock, findOpen, onError }: FinishWaiterParts): FinishWaiter {
  const expected = new Map<string, Set<Expected>>();
  const rest = createLoopRest(clock);
  let isLooking = false;
  let count = 0;

  const tell = (runId: string) => {
    for (const end of expected.get(runId) ?? []) end.tell();
  };
  void listener.on("bellhop_finished", ({ ids, resync }) => {
    if (resync) rest.wake();
    else for (const id of ids) tell(id);
  });

  async function lookWhileExpected(): Promise<void> {
    isLooking = true;
    for (;;) {
      await rest.rest(LOOK_EVERY_MS);
      rest.look();
      if (expected.size === 0) break;
      try {
        const runIds = [...expected.keys()];
        const open = await findOpen(runIds);
        for (const runId of runIds) if (!open.has(runId)) tell(runId);
      } catch (error) {
        onError(error);
      }
    }
    isLooking = false;
  }

  function forget(runId: string, end: Expected): void {
    const ends = expected.get(runId);
    if (!ends?.delete(end)) return;
    count -= 1;
    if (ends.size === 0) expected.delete(runId);
    // So that nothing sleeps for nobody.
    if (expected.size === 0) rest.wake();
  }

  return {
    get count() {
      return count;
    },
    expect(runId) {
      const end = new Expected(clock);
      const ends = expected.get(runId) ?? new Set();
      expected.set(runId, ends.add(end));
      count += 1;
      if (!isLooking) void lookWhileExpected();
      return { next: (maxMs, signal) => end.next(maxMs, signal), forget: () => forget(runId, end) };
    },
  };
}

class Expected {
  readonly #clock: Clock;
  #word = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell(): void {
    this.#word.abort();
  }

  async next(maxMs: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(maxMs, AbortSignal.any([signal, this.#word.signal]));
    // Looked and not ended: the next word is waited for anew.
    if (this.#word.signal.aborted) this.#word = new AbortController();
  }
}
