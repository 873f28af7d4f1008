/**
 * running → queued for runs that the table assigns to this worker and that nobody here knows: a claim whose response
 * was lost with its connection. The response may also just be late. The runs found are therefore checked again once
 * every claim that was in progress has begun its runs or failed: nobody will begin those that are still unknown.
 */
export interface ForgottenRun {
  id: string;
  claimNo: number;
}

export interface ForgottenRuns<T> {
  /** `owned` by the table for longer than a lease. One look at a time: the next heartbeat brings the rest. */
  suspect(owned: T[]): void;
  /** Resolves when no look is under way. */
  flush(): Promise<void>;
}

export function createForgottenRuns<T extends ForgottenRun = ForgottenRun>(parts: {
  /** It is at work here, or handed over and about to be. */
  isKnown(run: T): boolean;
  /** Resolves when the claims that are under way now have begun what they found, or failed. */
  whenClaimed(): Promise<void>;
  giveBack(runs: T[]): Promise<void>;
  onError(error: unknown): void;
}): ForgottenRuns<T> {
  const { isKnown, whenClaimed, giveBack, onError } = parts;
  let looking: Promise<void> | undefined;
  const findUnknown = (runs: T[]) => runs.filter((run) => !isKnown(run));

  async function look(unknown: T[]): Promise<void> {
    await whenClaimed();
    await giveBack(findUnknown(unknown));
  }

  return {
    suspect(owned) {
      const unknown = findUnknown(owned);
      if (looking || unknown.length === 0) return;
      looking = look(unknown)
        .catch(onError)
        .finally(() => {
          looking = undefined;
        });
    },
    async flush() {
      await looking;
    },
  };
}
