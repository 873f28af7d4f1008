/** How long those who ask have been waiting for what they are given in the order in which they came. */

export interface Waits {
  /** Somebody begins to wait; what it returns ends that. */
  begin(): () => void;
  /** Of the one who has waited longest and still does; 0: nobody waits. */
  longestMs(): number;
}

/** @param nowMs a clock that is never set */
export function createWaits(nowMs: () => number = () => performance.now()): Waits {
  const begun = new Set<{ sinceMs: number }>();
  return {
    begin() {
      const wait = { sinceMs: nowMs() };
      begun.add(wait);
      return () => begun.delete(wait);
    },
    longestMs() {
      const [first] = begun;
      return first ? nowMs() - first.sinceMs : 0;
    },
  };
}
