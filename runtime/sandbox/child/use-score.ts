/**
 * How often something is used: each use counts one, and half as much for each half-life that has passed since. What is
 * used once a second comes to 87.
 */
export interface UseScore {
  uses: number;
  /** Monotonic, of the last use that counts. */
  atMs: number;
}

export const HALF_LIFE_MS = 60_000;

export const NEVER_USED: UseScore = { uses: 0, atMs: 0 };

/** What the uses come to by now. */
export function usesAt({ uses, atMs }: UseScore, now: number): number {
  return uses * 2 ** ((atMs - now) / HALF_LIFE_MS);
}

export function addUses(score: UseScore, uses: number, now: number): UseScore {
  return { uses: usesAt(score, now) + uses, atMs: now };
}
