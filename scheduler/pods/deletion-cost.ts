/**
 * Which pods are told how dear they are. Kubernetes takes the cheapest first when it scales down, so the pods of idle
 * workers go before those of busy ones. Each mark is a write to the cluster's API server: the cost moves in powers of
 * two, up at once, down only when it has been lower for a while.
 */

/** A worker as its row tells it; `host` is the pod's name. */
export interface PodWorker {
  host: string;
  slots: number;
  free: number;
}

/** What a pod was told last. */
export interface Told {
  cost: number;
  /** Since when it would cost less, in epoch ms; undefined: it would not. */
  lowerSinceMs?: number | undefined;
}

export interface Mark {
  pod: string;
  cost: number;
}

export const LOWER_AFTER_MS = 30_000;

/** 0 for an idle pod, else the highest power of two among its taken slots. */
export function costOf(busySlots: number): number {
  return busySlots <= 0 ? 0 : 2 ** Math.floor(Math.log2(busySlots));
}

/**
 * The marks to write now, and what stays told until they are written: pods whose worker is gone are forgotten. A pod
 * that was never told anything is told, for another scheduler may have told it something else.
 */
export function decideMarks(
  nowMs: number,
  workers: readonly PodWorker[],
  told: ReadonlyMap<string, Told>,
): { marks: Mark[]; told: Map<string, Told> } {
  const busySlots = new Map<string, number>();
  for (const { host, slots, free } of workers) {
    busySlots.set(host, (busySlots.get(host) ?? 0) + slots - free);
  }
  const marks: Mark[] = [];
  const stays = new Map<string, Told>();
  for (const [pod, busy] of busySlots) {
    const cost = costOf(busy);
    const before = told.get(pod);
    if (!before) {
      marks.push({ pod, cost });
      continue;
    }
    const lowerSinceMs = cost < before.cost ? (before.lowerSinceMs ?? nowMs) : undefined;
    const isLowered = lowerSinceMs !== undefined && nowMs - lowerSinceMs >= LOWER_AFTER_MS;
    if (cost > before.cost || isLowered) marks.push({ pod, cost });
    stays.set(pod, { cost: before.cost, lowerSinceMs });
  }
  return { marks, told: stays };
}
