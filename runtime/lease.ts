/**
 * What a worker knows about its own lease without asking. The database counts a term from when it receives the renewal,
 * the worker from when it sent it: a lease that is valid by the worker's reckoning is valid by the database's. States:
 * held, for the moment → held durably (a crash of the database would not lose it) → lapsed (nobody renewed it in time: its
 * runs may belong to another) → held, a new term; held for the moment → lapsed, too, where a renewal fails.
 */
import type { Clock } from "../core/clock.ts";

export interface WorkerLease {
  /**
   * Call it before a renewal is sent, and what it answers once the renewal was confirmed.
   * @param isDurable whether it is confirmed only once a crash of the database would not lose it
   */
  renewing(isDurable?: boolean): () => void;
  /** A renewal failed: a lease that was never held durably may be lost. */
  doubt(): void;
  stands(): boolean;
  /** A crash of the database would not lose it. */
  isDurable(): boolean;
  /** Since it was first held; 0: it never was. */
  ageMs(): number;
  /** Whether the lease has stood all the time since: what was claimed meanwhile is nobody else's. */
  watch(): () => boolean;
}

export function createWorkerLease(leaseMs: number, clock: Clock): WorkerLease {
  let endsAtMs = Number.NEGATIVE_INFINITY;
  let term = 0;
  let hasBeenDurable = false;
  let firstHeldMs: number | undefined;
  // A clock that is set back would keep up a lease that has run out.
  const nowMs = () => clock.steadyMs();
  const stands = () => nowMs() < endsAtMs;
  return {
    renewing(isDurable = true) {
      const sentAtMs = nowMs();
      return () => {
        // It may have reached the database only now.
        if (!stands()) term += 1;
        endsAtMs = Math.max(endsAtMs, sentAtMs + leaseMs);
        hasBeenDurable ||= isDurable;
        firstHeldMs ??= nowMs();
      };
    },
    doubt() {
      if (!hasBeenDurable) endsAtMs = Number.NEGATIVE_INFINITY;
    },
    stands,
    isDurable: () => hasBeenDurable,
    ageMs: () => (firstHeldMs === undefined ? 0 : nowMs() - firstHeldMs),
    watch() {
      const watched = term;
      const stood = stands();
      return () => stood && term === watched && stands();
    },
  };
}
