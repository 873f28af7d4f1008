/**
 * Reports to autoscalers how many callers wait here for a worker: as demand in the database, and by a bell when there
 * are more than last reported. States: quiet → reporting (some wait, or waiting callers were reported) → quiet.
 */
import type { Clock } from "../../core/clock.ts";

/** Between two words: calls come and go by the thousand, and a caller that is offered to a worker waits again at once. */
const TELL_EVERY_MS = 100;
/** What is still true is told anew after this, and counts for a good while longer. */
const RENEW_MS = 2_000;
export const TOLD_FOR_MS = 6_000;

export interface CallerDemand {
  /** So many wait now. */
  set(callers: number): void;
  /** One begins to wait, for a call of that revision: a worker that starts for it is told. */
  expect(revisionId: string): void;
  /** Takes back what was told. Never rejects. */
  close(): Promise<void>;
}

export interface CallerDemandParts {
  /** Writes that so many wait, for `TOLD_FOR_MS`. */
  tell(callers: number): Promise<void>;
  /** @param revisionId of a call that waits, where one has come since the last word */
  ring(revisionId: string | undefined): void;
  clock: Clock;
  onError(error: unknown): void;
}

export function createCallerDemand({ tell, ring, clock, onError }: CallerDemandParts): CallerDemand {
  const closing = new AbortController();
  let waiting = 0;
  /** The most since the last word. */
  let peak = 0;
  let told = 0;
  let toldAtMs = 0;
  let telling: Promise<void> | undefined;
  /** The first since the last word. */
  let expected: string | undefined;

  async function tellWhileAnyWaits(): Promise<void> {
    while (!closing.signal.aborted && (peak > 0 || told > 0)) {
      const callers = peak;
      peak = waiting;
      if (callers !== told || clock.steadyMs() - toldAtMs >= RENEW_MS) await say(callers);
      await clock.sleep(TELL_EVERY_MS, closing.signal);
    }
    telling = undefined;
  }

  async function say(callers: number): Promise<void> {
    const revisionId = expected;
    expected = undefined;
    try {
      await tell(callers);
      if (callers > told) ring(revisionId);
      [told, toldAtMs] = [callers, clock.steadyMs()];
    } catch (error) {
      expected = revisionId ?? expected;
      onError(error);
    }
  }

  return {
    set(callers) {
      waiting = callers;
      peak = Math.max(peak, callers);
      if (peak > 0 && !closing.signal.aborted) telling ??= tellWhileAnyWaits();
    },
    expect(revisionId) {
      expected ??= revisionId;
    },
    async close() {
      closing.abort();
      await telling;
      if (told > 0) await say(0);
    },
  };
}
