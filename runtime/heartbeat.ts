/**
 * What a worker's row says about it: that it lives, how many of its slots are taken, whether it drains. States: working
 * → draining (reported by the next beat) → gone (its row is removed, or left to expire).
 */

import type { Clock } from "../core/clock.ts";
import type { Store } from "../core/store/database.ts";
import { removeWorker, renewLease, type WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerLease } from "./lease.ts";
import type { Slots } from "./slots.ts";

export interface HeartbeatParts {
  facts: WorkerFacts;
  leaseMs: number;
  store: Store;
  clock: Clock;
  /** Takes the database's word of its time, asked for at an instant of the clock's steady time. */
  hearTime?: ((word: { at: Date }, askedMs: number) => void) | undefined;
  log: Logger;
  slots: Slots;
  lease: WorkerLease;
}

export interface Heartbeat {
  /** Renews the lease. Rejects where the database did not confirm it. */
  beat(): Promise<void>;
  /** A beat where the number of taken slots is another than the last one told. Answers whether any was told as taken. */
  tellLoad(): Promise<boolean>;
  isDraining(): boolean;
  /** Every beat from now on says that the worker drains. */
  startDraining(): void;
  /** Lets the lease go. Never rejects. */
  leave(): Promise<void>;
}

export function createHeartbeat(parts: HeartbeatParts): Heartbeat {
  const { facts, leaseMs, store, clock, log, slots, lease } = parts;
  let toldBusy = 0;
  let draining = false;

  /** @param busy the peak since the last word, not the moment: calls of a few milliseconds would hardly ever be seen */
  async function beat(busy = slots.peak()): Promise<void> {
    const renewed = lease.renewing();
    const askedMs = clock.steadyMs();
    const word = await renewLease(store.leaseDb, { ...facts, busy }, leaseMs, draining);
    renewed();
    parts.hearTime?.(word, askedMs);
    toldBusy = busy;
  }

  return {
    beat: () => beat(),
    async tellLoad() {
      const busy = slots.peak();
      if (busy !== toldBusy) await beat(busy);
      return busy > 0;
    },
    isDraining: () => draining,
    startDraining() {
      draining = true;
    },
    async leave() {
      await removeWorker(store.leaseDb, facts.id).catch((error) =>
        log.warn({ error }, "the lease is left to run out"),
      );
    },
  };
}
