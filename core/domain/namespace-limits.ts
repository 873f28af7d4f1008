/** What an operator lets a namespace have. Null: as much as it likes. */
export interface NamespaceLimits {
  /** Of each key. */
  requests: { limit: number; perMs: number } | null;
  /** That may still fire: active or paused. */
  tasks: number | null;
  functions: number | null;
  /** Of all revisions of functions that stand, as they are stored. */
  codeBytes: number | null;
  /** Streams of logs and events that are open at once. */
  followers: number | null;
  /** Runs that are under way at once. */
  concurrentRuns: number | null;
  /** How much of all workers' slots they may take at once, in percent. */
  slotsShare: number | null;
  /** That begin to exist on a day, UTC. */
  runsPerDay: number | null;
  /** Of what runs were given, gave back and logged, and of what functions remember. */
  storedBytes: number | null;
}

export const NO_NAMESPACE_LIMITS: NamespaceLimits = {
  requests: null,
  tasks: null,
  functions: null,
  codeBytes: null,
  followers: null,
  concurrentRuns: null,
  slotsShare: null,
  runsPerDay: null,
  storedBytes: null,
};

/** Those that say how many runs may be under way at once. */
export type ConcurrencyLimits = Pick<NamespaceLimits, "concurrentRuns" | "slotsShare">;

/** As they are stored: those that a release before wrote lack what came since. */
export const fillNamespaceLimits = (stored: Partial<NamespaceLimits> | null): NamespaceLimits | null =>
  stored && { ...NO_NAMESPACE_LIMITS, ...stored };

/** The limits that count what there is. */
export const COUNTED_LIMITS = ["tasks", "functions", "codeBytes"] as const;
export type CountedLimit = (typeof COUNTED_LIMITS)[number];
/** No more things than these are looked at to show what is used. */
export const MAX_COUNTED = 100_000;

/**
 * How many runs may be under way at once while workers have so many slots; null: as many as come. Of any share one at least,
 * for where there is no worker nothing else would start the first.
 */
export function runsAtOnce({ concurrentRuns, slotsShare }: ConcurrencyLimits, slots: number): number | null {
  if (slotsShare === null) return concurrentRuns;
  const ofSlots = Math.max(1, Math.floor((slots * slotsShare) / 100));
  return concurrentRuns === null ? ofSlots : Math.min(concurrentRuns, ofSlots);
}

/**
 * The same at the moment of a change. With a share it is lowered at most: whether slots are missing or only cannot be seen, as
 * after an outage, the scheduler knows, which raises it.
 *
 * @param before the share until now, and the number that it has come to
 * @param knownSlots those too of workers whose leases have run out
 */
export function runsAtOnceFromNow(
  limits: ConcurrencyLimits,
  before: { slotsShare: number | null; runs: number | null },
  knownSlots: number,
): number | null {
  const { concurrentRuns, slotsShare } = limits;
  if (slotsShare === null || before.runs === null) return runsAtOnce(limits, knownSlots);
  const most = slotsShare === before.slotsShare ? concurrentRuns : runsAtOnce(limits, knownSlots);
  return Math.min(before.runs, most ?? before.runs);
}
