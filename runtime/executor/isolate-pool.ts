import type { GuestIsolate } from "./guest-isolate.ts";

export interface IsolatePoolLimits {
  /** Idle isolates kept warm. */
  maxIdle: number;
  /** An isolate unused for so long is ended. */
  maxIdleMs: number;
  /** While this process holds more than this, no isolate is kept warm. */
  maxWarmRssBytes: number;
}

/** The isolates that wait for their revision's next run, least recently used first. */
export class IsolatePool {
  readonly #limits: IsolatePoolLimits;
  readonly #rssBytes: () => number;
  #idle: GuestIsolate[] = [];

  constructor(limits: IsolatePoolLimits, rssBytes: () => number = process.memoryUsage.rss) {
    this.#limits = limits;
    this.#rssBytes = rssBytes;
  }

  get size(): number {
    return this.#idle.length;
  }

  take(revisionId: string, memoryMb: number): GuestIsolate | undefined {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const isolate = this.#idle[i]!;
      if (isolate.revisionId !== revisionId || isolate.memoryMb !== memoryMb) continue;
      this.#idle.splice(i, 1);
      return isolate;
    }
    return undefined;
  }

  /** Takes back an isolate that came to rest. */
  give(isolate: GuestIsolate): void {
    this.#idle.push(isolate);
    if (this.#idle.length > this.#limits.maxIdle) this.#idle.shift()!.evict();
  }

  /** To be called now and then: ends what nobody used, and all that is idle while memory is short. */
  sweep(now: number): void {
    const isShort = this.#idle.length > 0 && this.#rssBytes() > this.#limits.maxWarmRssBytes;
    this.#evict((isolate) => isShort || now - isolate.idleSince > this.#limits.maxIdleMs);
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
