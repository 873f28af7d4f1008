import type { Idle } from "./choose-evicted.ts";
import type { GuestIsolate } from "./guest-isolate.ts";
import { addUses, type UseScore } from "./use-score.ts";

/** Measuring takes 3 µs; a trivial run takes 50. */
const MEASURE_AGAIN_MS = 1_000;
/** The boot, which is the same for all. */
const BOOT_COST_MS = 5;

/** An isolate that may serve its revision again, and what the pool knows of it. */
export class KeptIsolate implements Idle {
  readonly isolate: GuestIsolate;
  readonly revisionId: string;
  /** Nothing until it has come to rest: what it takes at work is its run's. */
  bytes = 0;
  #score: UseScore;
  #isProven = false;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** @param earlier how often isolates of the revision that are gone were wanted */
  constructor(isolate: GuestIsolate, revisionId: string, earlier: UseScore) {
    this.isolate = isolate;
    this.revisionId = revisionId;
    this.#score = earlier;
  }

  get score(): UseScore {
    return this.#score;
  }

  get costMs(): number {
    return BOOT_COST_MS + (this.isolate.loadMs ?? 0);
  }

  /** It is wanted a second time, or once more. The first counts from now on. */
  countReuse(now: number): void {
    this.#score = addUses(this.#score, this.#isProven ? 1 : 2, now);
    this.#isProven = true;
  }

  /** What is to be remembered of it when it goes. */
  scoreAtEnd(now: number): UseScore {
    return this.#isProven ? this.#score : addUses(this.#score, 1, now);
  }

  /** To be called at rest; answers by how many bytes it is known to hold more, or less. */
  measure(now: number): number {
    if (now - this.#measuredAt < MEASURE_AGAIN_MS) return 0;
    this.#measuredAt = now;
    const before = this.bytes;
    this.bytes = this.isolate.heldBytes();
    return this.bytes - before;
  }
}
