/** A limit by key as it stands at a moment. Pure. */

/** As many as come: of a limit that counts permits and refuses none. */
export const UNLIMITED = 2_147_483_647;

/** What holds for each key of a queue. */
export interface KeyLimits {
  /** Null: as many as come. */
  concurrency: number | null;
}

export interface Limit {
  key: string;
  /** Null: there is no limit any more. */
  concurrency: number | null;
  permitsHeld: number;
  isPaused: boolean;
}

/** How many runs may start now; never less than none. */
export function countFree({ concurrency, permitsHeld, isPaused }: Limit): number {
  if (concurrency === null) return Number.POSITIVE_INFINITY;
  return isPaused ? 0 : Math.max(0, concurrency - permitsHeld);
}
