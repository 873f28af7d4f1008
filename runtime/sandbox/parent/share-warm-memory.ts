/** How the memory for warm isolates is shared between the executors of a worker, each of which serves one namespace. */

const MEGABYTE = 1_048_576;
/** What one that has enough, or has just come, may grow by before the next look. */
const HEADROOM_BYTES = 32 * MEGABYTE;
/** One whose isolates hold so much of its share would keep more if it might. */
const FULL = 0.9;

export interface WarmHolder {
  /** What its isolates hold. */
  bytes: number;
  /** What they may hold so far. */
  limitBytes: number;
  /** Whether it has ended isolates for want of memory since the last look. */
  hasEvicted: boolean;
}

/**
 * The limit of each, in the same order: who needs less than an equal share gets what he needs and some room, and the
 * rest goes to the others in equal parts. So nobody's isolates go because of another namespace's as long as they hold
 * no more than an equal share. A newcomer, which has no limit yet, shows what it needs by filling some room first.
 */
export function shareWarmMemory(budgetBytes: number, holders: readonly WarmHolder[]): number[] {
  const wants = holders.map(wantedBytes);
  const limits = holders.map(() => 0);
  let leftBytes = budgetBytes;
  const smallestFirst = wants.map((_, index) => index).sort((a, b) => wants[a]! - wants[b]!);
  for (const [served, index] of smallestFirst.entries()) {
    const equalPart = leftBytes / (holders.length - served);
    limits[index] = Math.floor(Math.min(wants[index]!, equalPart));
    leftBytes -= limits[index];
  }
  const spare = Math.floor(Math.max(0, leftBytes) / Math.max(1, holders.length));
  return limits.map((limit) => limit + spare);
}

function wantedBytes({ bytes, limitBytes, hasEvicted }: WarmHolder): number {
  const isFull = limitBytes > 0 && bytes >= limitBytes * FULL;
  return hasEvicted || isFull ? Number.POSITIVE_INFINITY : bytes + HEADROOM_BYTES;
}
