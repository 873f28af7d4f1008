import type ivmTypes from "isolated-vm";

/** What V8 keeps of an isolate and does not count. */
const OVERHEAD_BYTES = 1_000_000;
/** Measuring takes 3 µs; a trivial run takes 50. */
const MEASURE_AGAIN_MS = 1_000;

/** What one isolate holds, its own and outside its heap; to be asked at rest. */
export class GuestMemory {
  readonly #isolate: ivmTypes.Isolate;
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(isolate: ivmTypes.Isolate) {
    this.#isolate = isolate;
  }

  heldBytes(): number {
    if (this.#isolate.isDisposed) return 0;
    const heap = this.#isolate.getHeapStatisticsSync();
    return OVERHEAD_BYTES + heap.total_physical_size + heap.externally_allocated_size + heap.malloced_memory;
  }

  /** Undefined where it is gone, or was measured just before. */
  measure(now: number): number | undefined {
    if (this.#isolate.isDisposed || now - this.#measuredAt < MEASURE_AGAIN_MS) return undefined;
    this.#measuredAt = now;
    return this.heldBytes();
  }
}
