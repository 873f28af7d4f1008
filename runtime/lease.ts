/**
 * What a worker knows about its own lease without asking. The database counts a term from when it receives the renewal,
 * the worker from when it sent it: a lease that is valid by the worker's reckoning is valid by the database's. States:
 * held → lapsed (nobody renewed it in time: its runs may belong to another) → held, a new term.
 */
import type { Clock } from "../core/clock.ts";

export interface WorkerLease {
  /** Call it before a renewal is sent, and what it answers once the renewal was confirmed. */
  renewing(): () => void;
  stands(): boolean;
  /** Whether the lease has stood all the time since: what was claimed meanwhile is nobody else's. */
  watch(): () => boolean;
}

export function createWorkerLease(leaseMs: number, clock: Clock): WorkerLease {
  let endsAtMs = Number.NEGATIVE_INFINITY;
  let term = 0;
  // A clock that is set back would keep up a lease that has run out.
  const nowMs = () => clock.steadyMs();
  const stands = () => nowMs() < endsAtMs;
  return {
    renewing() {
      const sentAtMs = nowMs();
      return () => {
        // It may have reached the database only now.
        if (!stands()) term += 1;
        endsAtMs = Math.max(endsAtMs, sentAtMs + leaseMs);
      };
    },
    stands,
    watch() {
      const watched = term;
      const stood = stands();
      return () => stood && term === watched && stands();
    },
  };
}
