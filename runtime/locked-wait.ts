/** When to try again to claim a due run whose row another transaction has locked. Pure. */

/** That transaction may be one of a slow client, and last; each look is a claim. */
const MAX_LOCKED_WAIT_MS = 128;

/** 1 ms, 2 ms, 4 ms … @param looks how often it has been looked at again already */
export function lockedWaitMs(looks: number): number {
  return Math.min(2 ** looks, MAX_LOCKED_WAIT_MS);
}
