/**
 * What a worker's row says about it: that it lives, how many of its slots are taken, whether it drains. States: come (its
 * row is in the database's memory) → working (its row is on the disk) → draining (reported by the next beat) → gone (its row
 * is removed, or left to expire).
 */

import type { Clock } from "../core/clock.ts";
import type { Db, Store } from "../core/store/database.ts";
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
  /**
   * Renews the lease. Rejects where the database did not confirm it. The first one is answered before the row is on the
   * disk: `keepUp` is to follow at once.
   */
  beat(): Promise<void>;
  /** The same; joins one under way while no beat has brought the row to the disk. */
  keepUp(): Promise<void>;
  /** A beat where the number of taken slots is another than the last one told. Answers whether the row may tell of any as taken. */
  tellLoad(): Promise<boolean>;
  isDraining(): boolean;
  /** Every beat from now on says that the worker drains. */
  startDraining(): void;
  /** Lets the lease go. Never rejects. */
  leave(): Promise<void>;
}

/** A worker that was called is not told as idle before: whoever looks each second meets it. */
const HOLD_LOAD_MS = 2_000;

export function createHeartbeat(parts: HeartbeatParts): Heartbeat {
  const { facts, leaseMs, store, clock, log, slots, lease } = parts;
  /** What the row tells; undefined: nobody knows, for a beat is under way, beats crossed each other, or one failed. */
  let toldBusy: number | undefined = 0;
  let begun = 0;
  let underWay = 0;
  let calledAtMs = Number.NEGATIVE_INFINITY;
  let draining = false;
  let confirming: Promise<void> | undefined;

  /** The peak since the last reading, not the moment: calls of a few milliseconds would hardly ever be seen. */
  function readLoad(): number {
    const busy = slots.peak();
    const nowMs = clock.steadyMs();
    if (busy > 0) calledAtMs = nowMs;
    return busy === 0 && nowMs - calledAtMs < HOLD_LOAD_MS ? 1 : busy;
  }

  /** Gives up as soon as the connections for leases do by themselves. */
  async function inTime<T>(renewing: Promise<T>): Promise<T> {
    const { leaseTimeoutMs } = store;
    const late = Promise.withResolvers<never>();
    const stopWaiting = clock.after(leaseTimeoutMs, () =>
      late.reject(new Error(`the lease was not confirmed within ${leaseTimeoutMs} ms`)),
    );
    return await Promise.race([renewing, late.promise]).finally(stopWaiting);
  }

  /** Until one is durable they go by connections that are there; one of its own would have to be made for them. */
  async function renew(beatNo: number, busy: number): Promise<{ at: Date }> {
    const renewBy = (db: Db) => renewLease(db, { ...facts, busy }, leaseMs, draining, beatNo === 1);
    if (beatNo === 1) return await inTime(renewBy(store.db));
    // The connection of the first lease is busy with what the first call needs; claims, which wait for this, have their own.
    if (beatNo === 2) return await inTime(renewBy(store.plannedDb));
    return await (lease.isDurable() ? renewBy(store.leaseDb) : inTime(renewBy(store.db)));
  }

  async function beat(busy = readLoad()): Promise<void> {
    const isAlone = underWay === 0;
    begun += 1;
    const mine = begun;
    const renewed = lease.renewing(mine > 1);
    const askedMs = clock.steadyMs();
    toldBusy = undefined;
    underWay += 1;
    try {
      const word = await renew(mine, busy);
      renewed();
      parts.hearTime?.(word, askedMs);
    } catch (error) {
      lease.doubt();
      throw error;
    } finally {
      underWay -= 1;
    }
    if (isAlone && mine === begun) toldBusy = busy;
  }

  return {
    beat: () => beat(),
    async keepUp() {
      if (lease.isDurable()) return await beat();
      confirming ??= beat().finally(() => {
        confirming = undefined;
      });
      await confirming;
    },
    async tellLoad() {
      // What it tells is not known yet.
      if (underWay > 0) return true;
      const busy = readLoad();
      if (busy !== toldBusy) await beat(busy);
      return toldBusy !== 0;
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
