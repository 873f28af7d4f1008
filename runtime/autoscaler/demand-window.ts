/** The demand of the last minute, in buckets of a second. Bounded: what is older falls out. */

/** How far back a burst is looked for before workers go. */
export const STABLE_WINDOW_MS = 60_000;
/** Over how long demand is averaged before a worker more is started, where all runs have their slots. */
export const PANIC_WINDOW_MS = 6_000;

const BUCKET_MS = 1_000;
const PANIC_BUCKETS = PANIC_WINDOW_MS / BUCKET_MS;
const BUCKETS = STABLE_WINDOW_MS / BUCKET_MS + PANIC_BUCKETS;

/** In runs. */
export interface DemandReading {
  latest: number;
  /** The average of the last six seconds. */
  recent: number;
  /** The average of the busiest six seconds of the last minute. At least `recent`. */
  busiest: number;
}

export interface DemandWindow {
  /** A level holds until the next one is told. Instants must not go back. */
  add(nowMs: number, demand: number): void;
  read(nowMs: number): DemandReading;
}

/** Readings come when a bell rings or a second has passed: each weighs as long as it held. */
export function createDemandWindow(): DemandWindow {
  /** Run-milliseconds of each second, by its number. */
  const sums = new Map<number, number>();
  let latest = 0;
  let heldUntilMs: number | undefined;

  function hold(nowMs: number): void {
    const fromMs = Math.max(heldUntilMs ?? nowMs, nowMs - BUCKETS * BUCKET_MS);
    for (let atMs = fromMs; atMs < nowMs; ) {
      const bucket = Math.floor(atMs / BUCKET_MS);
      const endMs = Math.min((bucket + 1) * BUCKET_MS, nowMs);
      sums.set(bucket, (sums.get(bucket) ?? 0) + latest * (endMs - atMs));
      atMs = endMs;
    }
    heldUntilMs = Math.max(heldUntilMs ?? nowMs, nowMs);
    const oldest = Math.floor(nowMs / BUCKET_MS) - BUCKETS;
    for (const bucket of sums.keys()) if (bucket <= oldest) sums.delete(bucket);
  }

  /** Over the six buckets that end with this one, of which the last may have just begun. */
  function average(lastBucket: number, lastMs: number): number {
    let sum = 0;
    for (let back = 0; back < PANIC_BUCKETS; back += 1) sum += sums.get(lastBucket - back) ?? 0;
    return sum / (PANIC_WINDOW_MS - BUCKET_MS + lastMs);
  }

  return {
    add(nowMs, demand) {
      hold(nowMs);
      latest = demand;
    },
    read(nowMs) {
      hold(nowMs);
      const bucket = Math.floor(nowMs / BUCKET_MS);
      const recent = average(bucket, nowMs - bucket * BUCKET_MS);
      let busiest = recent;
      for (let back = 1; back <= STABLE_WINDOW_MS / BUCKET_MS; back += 1)
        busiest = Math.max(busiest, average(bucket - back, BUCKET_MS));
      return { latest, recent, busiest };
    },
  };
}
