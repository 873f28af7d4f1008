/**
 * running → queued for what the table says is this worker's and nobody here knows: a claim whose answer was lost with
 * its connection. The answer may also be late only. Therefore what was found is looked at again once every claim that
 * was under way then has begun its runs or failed: what is still unknown then, nobody will begin.
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
