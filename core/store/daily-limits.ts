/**
 * Which namespaces may begin only so many runs a day, as each process that makes runs knows it: read once for all of them,
 * and anew when the bell of a change rings, or who asks finds them to be a while old.
 */
import type { Clock } from "../clock.ts";
import { nextUtcDay } from "../domain/utc-day.ts";
import { BellhopError } from "../errors.ts";
import { listDailyLimits, returnDailyRun, takeDailyRun, takeDailyRuns } from "./daily-runs.ts";
import type { QueryScope } from "./database.ts";
import type { Listener } from "./listen.ts";

const KEPT_MS = 900;

export interface DailyLimits {
  /** Undefined: as many as come. Of what is known right now, without a look. */
  limitOf(namespaceId: string): number | undefined;
  /** Once it resolves, what was changed before is known. */
  refresh(): Promise<void>;
  /**
   * Counts a run, and makes it; 429 where the namespace has had those of the day. One that is not made, where it is
   * undefined or `make` throws, is not counted.
   *
   * @param isPart of a transaction, which does nothing further: it holds what others wait for
   */
  counting<Made>(
    scope: QueryScope,
    namespaceId: string,
    make: () => Promise<Made>,
    isPart?: boolean,
  ): Promise<Made>;
  /**
   * Counts a run that is about to be made; or those that a transaction has made, as the last that it does: a refusal takes
   * them back.
   */
  count(scope: QueryScope, namespaceId: string, runs?: number): Promise<void>;
}

export interface DailyLimitsParts {
  store: QueryScope;
  listener: Pick<Listener, "on">;
  clock: Clock;
  /** They could not be read: those that were read last hold. */
  onError(error: unknown): void;
}

export function createDailyLimits({ store, listener, clock, onError }: DailyLimitsParts): DailyLimits {
  let limits: ReadonlyMap<string, number> = new Map();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  /** Somebody wants to know what was changed while they were read. */
  let isStale = false;

  async function readAll(): Promise<void> {
    try {
      do {
        isStale = false;
        readAtMs = clock.steadyMs();
        limits = await listDailyLimits(store);
      } while (isStale);
    } finally {
      reading = undefined;
    }
  }

  function refresh(): Promise<void> {
    isStale = true;
    reading ??= readAll();
    return reading;
  }

  function limitOf(namespaceId: string): number | undefined {
    if (!reading && clock.steadyMs() - readAtMs > KEPT_MS) refresh().catch(onError);
    return limits.get(namespaceId);
  }

  function refusal(limit: number): BellhopError {
    const now = clock.now();
    const resetsAt = nextUtcDay(now);
    const message = `the namespace may begin ${limit.toLocaleString("en-US")} runs a day, and may again from ${resetsAt.toISOString()}`;
    const seconds = Math.ceil((resetsAt.getTime() - now.getTime()) / 1_000);
    const fields = [{ field: "runsPerDay", message }];
    return new BellhopError("rate_limited", 429, `runsPerDay: ${message}.`, fields, seconds);
  }

  async function count(scope: QueryScope, namespaceId: string, runs = 1): Promise<void> {
    const limit = limitOf(namespaceId);
    if (limit === undefined || runs === 0) return;
    const isTaken =
      runs === 1
        ? await takeDailyRun(scope, { namespaceId, limit })
        : (await takeDailyRuns(scope, { namespaceId, limit, count: runs })) === runs;
    if (!isTaken) throw refusal(limit);
  }

  void listener.on("bellhop_keys", () => void refresh().catch(onError));
  return {
    ...{ limitOf, refresh, count },
    async counting(scope, namespaceId, make, isPart = false) {
      if (limitOf(namespaceId) === undefined) return await make();
      if (isPart) {
        const made = await make();
        if (made !== undefined) await count(scope, namespaceId);
        return made;
      }
      await count(scope, namespaceId);
      let made: Awaited<ReturnType<typeof make>> | undefined;
      try {
        made = await make();
        return made;
      } finally {
        if (made === undefined) await returnDailyRun(scope, namespaceId).catch(onError);
      }
    },
  };
}

/** Nothing is counted. */
export const NO_DAILY_LIMITS: DailyLimits = {
  limitOf: () => undefined,
  refresh: async () => {},
  counting: (_scope, _namespaceId, make) => make(),
  count: async () => {},
};
