/**
 * Direct runs of functions with a limit of runs at once, between their row and their beginning: reserved → begun, or
 * forgotten, where there was no permit. Nobody works on them yet, and still they are this worker's.
 */
import type { Store } from "../../core/store/database.ts";
import { type DirectRun, type Reservation, reserveDirectRun } from "../../core/store/runs/direct.ts";

export interface Reservations {
  reserve(run: DirectRun): Promise<Reservation>;
  /** A direct run that is written, or about to be, and not begun. */
  has(runId: string): boolean;
  begun(runId: string): void;
}

export function createReservations(store: Store, workerId: string): Reservations {
  const reserved = new Set<string>();
  return {
    async reserve(run) {
      reserved.add(run.id);
      let reservation: Reservation = "no_room";
      try {
        reservation = await reserveDirectRun(store, workerId, run);
        return reservation;
      } finally {
        if (reservation !== "reserved") reserved.delete(run.id);
      }
    },
    has: (runId) => reserved.has(runId),
    begun: (runId) => void reserved.delete(runId),
  };
}
