/**
 * Direct runs of functions with a concurrency limit, between their row and their start: reserved → begun, or forgotten
 * if there was no permit. Nobody executes them yet, but they already belong to this worker.
 */
import type { Store } from "../../core/store/database.ts";
import { type DirectRun, type Reservation, reserveDirectRun } from "../../core/store/runs/direct.ts";

export interface Reservations {
  reserve(run: DirectRun): Promise<Reservation>;
  /** A direct run that is written, or about to be, and not begun. */
  has(runId: string): boolean;
  /** Resolves when the run has begun, or is forgotten; at once where it is not reserved. */
  whenBegun(runId: string): Promise<void>;
  begun(runId: string): void;
}

export function createReservations(store: Store, workerId: string): Reservations {
  const reserved = new Set<string>();
  const awaited = new Map<string, PromiseWithResolvers<void>>();

  function leave(runId: string): void {
    reserved.delete(runId);
    awaited.get(runId)?.resolve();
    awaited.delete(runId);
  }

  return {
    async reserve(run) {
      reserved.add(run.id);
      let reservation: Reservation = "no_permit";
      try {
        reservation = await reserveDirectRun(store, workerId, run);
        return reservation;
      } finally {
        if (reservation !== "reserved") leave(run.id);
      }
    },
    has: (runId) => reserved.has(runId),
    async whenBegun(runId) {
      if (!reserved.has(runId)) return;
      const begun = awaited.get(runId) ?? Promise.withResolvers<void>();
      awaited.set(runId, begun);
      await begun.promise;
    },
    begun: leave,
  };
}
