import type { GuestIsolate } from "./guest-isolate.ts";

export interface IsolatePoolLimits {
  /** Idle isolates kept warm. */
  maxIdle: number;
  /** An isolate unused for so long is ended. */
  maxIdleMs: number;
  /** While this process holds more than this, no isolate is kept warm. */
  maxWarmRssBytes: number;
  /** Isolates that stand booted for a revision to come. */
  spares: number;
}

/** A spare is made a moment after one was taken, so that its boot does not slow the run that took it. */
const REFILL_MS = 3;

/**
 * The isolates that wait: warm ones for their revision's next run, least recently used first, and spares, booted but
 * not yet loaded, of the memory size asked for last.
 */
export class IsolatePool {
  readonly #limits: IsolatePoolLimits;
  readonly #make: (memoryMb: number) => GuestIsolate;
  readonly #rssBytes: () => number;
  #idle: GuestIsolate[] = [];
  #spares: GuestIsolate[] = [];
  #spareMb = 0;
  #refill: NodeJS.Timeout | undefined;

  constructor(
    limits: IsolatePoolLimits,
    make: (memoryMb: number) => GuestIsolate,
    rssBytes: () => number = process.memoryUsage.rss,
  ) {
    this.#limits = limits;
    this.#make = make;
    this.#rssBytes = rssBytes;
  }

  get size(): number {
    return this.#idle.length + this.#spares.length;
  }

  /** A warm isolate of the revision. */
  takeWarm(revisionId: string, memoryMb: number): GuestIsolate | undefined {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const isolate = this.#idle[i]!;
      if (isolate.revisionId !== revisionId || isolate.memoryMb !== memoryMb) continue;
      this.#idle.splice(i, 1);
      if (!isolate.gone) return isolate;
    }
    return undefined;
  }

  /** An isolate that nobody used: a spare, or a new one. */
  takeFresh(memoryMb: number): GuestIsolate {
    if (memoryMb !== this.#spareMb) this.prepareSpares(memoryMb);
    const spare = this.#spares.shift();
    this.#refill ??= setTimeout(() => this.#fill(), REFILL_MS).unref();
    return spare && !spare.gone ? spare : this.#make(memoryMb);
  }

  /** Makes the spares those of another memory size. */
  prepareSpares(memoryMb: number): void {
    this.#spareMb = memoryMb;
    for (const spare of this.#spares.splice(0)) spare.evict();
    this.#refill ??= setTimeout(() => this.#fill(), REFILL_MS).unref();
  }

  #fill(): void {
    this.#refill = undefined;
    if (this.#spares.length >= this.#limits.spares || this.#isMemoryShort()) return;
    const spare = this.#make(this.#spareMb);
    this.#spares.push(spare);
    if (this.#spares.length < this.#limits.spares)
      this.#refill = setTimeout(() => this.#fill(), REFILL_MS).unref();
  }

  /** Takes back an isolate that came to rest. */
  give(isolate: GuestIsolate): void {
    this.#idle.push(isolate);
    if (this.#idle.length > this.#limits.maxIdle) this.#idle.shift()!.evict();
  }

  /** To be called now and then: ends what nobody used, and all that is idle while memory is short. */
  sweep(now: number): void {
    const isShort = this.size > 0 && this.#isMemoryShort();
    this.#evict((isolate) => isShort || now - isolate.idleSince > this.#limits.maxIdleMs);
    if (isShort) for (const spare of this.#spares.splice(0)) spare.evict();
  }

  #isMemoryShort(): boolean {
    return this.#rssBytes() > this.#limits.maxWarmRssBytes;
  }

  drop(revisionId: string): void {
    this.#evict((isolate) => isolate.revisionId === revisionId);
  }

  #evict(isDoomed: (isolate: GuestIsolate) => boolean): void {
    const doomed = this.#idle.filter(isDoomed);
    if (doomed.length === 0) return;
    this.#idle = this.#idle.filter((isolate) => !doomed.includes(isolate));
    for (const isolate of doomed) isolate.evict();
  }
}
