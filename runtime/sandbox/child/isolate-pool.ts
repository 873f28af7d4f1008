import { chooseEvicted } from "./choose-evicted.ts";
import type { GuestIsolate } from "./guest-isolate.ts";
import { KeptIsolate } from "./kept-isolate.ts";
import { UseHistory } from "./use-history.ts";

export interface IsolatePoolLimits {
  /** What isolates that stand for their revision's next run may hold, those at work counted. */
  maxWarmBytes: number;
  /** An isolate unused for so long is ended. */
  maxIdleMs: number;
  /** Isolates that stand booted for a revision to come. */
  spares: number;
}

/** Isolates that ended to make room for others, or because nobody used them. */
export interface Evictions {
  memory: number;
  idle: number;
}

const MEGABYTE = 1_048_576;
/**
 * Making a spare keeps the thread for some 8 ms. So the next is made while nothing is at work, which is looked at so often
 * after one was taken; at the last look it is made in any case.
 */
const REFILL_LOOK_MS = 10;
const REFILL_LOOKS = 3;
/**
 * Of a revision's idle isolates the latest is taken first, so those before it wait for as many runs at once as there were
 * before: at its first calls, say, which meet no isolate and have one made each. They wait for this part of `maxIdleMs` and
 * no longer.
 */
const SURPLUS_IDLE_SHARE = 1 / 5;
/** Of the memory, for isolates that have just begun to be called. */
const TRIAL_SHARE = 1 / 16;
/** How much more the process may hold than its warm isolates may, beside what the runs at work may take. */
const SLACK_BYTES = 64 * MEGABYTE;

/**
 * The isolates that may serve again: at work, or idle and warm for their revision's next run; and spares, booted but
 * not yet loaded, of the memory size asked for last.
 *
 * An isolate: spare → at work ⇄ idle → gone. `chooseEvicted` says which idle ones go where there is no room for all.
 */
export class IsolatePool {
  readonly #limits: IsolatePoolLimits;
  readonly #make: (memoryMb: number) => GuestIsolate;
  readonly #rssBytes: () => number;
  /** What the process held before it had any isolate. */
  readonly #emptyRssBytes: number;
  readonly #kept = new Map<GuestIsolate, KeptIsolate>();
  /** Those handed out, kept or not. */
  readonly #atWork = new Set<GuestIsolate>();
  /** In the order in which they came to rest. */
  readonly #idle = new Set<KeptIsolate>();
  /** The idle ones by revision, the latest last. */
  readonly #idleByRevision = new Map<string, KeptIsolate[]>();
  readonly #history = new UseHistory();
  readonly evictions: Evictions = { memory: 0, idle: 0 };
  #warmBytes = 0;
  #spares: GuestIsolate[] = [];
  #spareMb = 0;
  /** Until it is looked whether a spare is to be made. */
  #refill: NodeJS.Timeout | undefined;

  constructor(
    limits: IsolatePoolLimits,
    make: (memoryMb: number) => GuestIsolate,
    rssBytes: () => number = process.memoryUsage.rss,
  ) {
    this.#limits = { ...limits };
    this.#make = make;
    this.#rssBytes = rssBytes;
    this.#emptyRssBytes = rssBytes();
  }

  /** Isolates that stand for their revision, idle or at work. */
  get warmCount(): number {
    return this.#kept.size;
  }

  /** What those hold, as far as is known. */
  get warmBytes(): number {
    return this.#warmBytes;
  }

  /** An isolate for runs of the revision, for them alone unless `reuse`; and whether it is warm. */
  take(
    revisionId: string,
    memoryMb: number,
    reuse: boolean,
    now: number,
  ): { isolate: GuestIsolate; isWarm: boolean } {
    const warm = reuse ? this.#takeIdle(revisionId, memoryMb) : undefined;
    if (warm) {
      this.#atWork.add(warm.isolate);
      warm.countReuse(now);
      return { isolate: warm.isolate, isWarm: true };
    }
    const isolate = this.#takeFresh(memoryMb);
    this.#atWork.add(isolate);
    if (reuse) {
      this.#kept.set(isolate, new KeptIsolate(isolate, revisionId, this.#history.take(revisionId)));
    }
    return { isolate, isWarm: false };
  }

  #takeIdle(revisionId: string, memoryMb: number): KeptIsolate | undefined {
    const idle = this.#idleByRevision.get(revisionId) ?? [];
    const found = idle.findLast(({ isolate }) => isolate.memoryMb === memoryMb);
    if (!found) return undefined;
    this.#leaveIdle(found);
    if (!found.isolate.gone) return found;
    this.forget(found.isolate);
    return this.#takeIdle(revisionId, memoryMb);
  }

  /** An isolate that nobody used: a spare, or a new one. */
  #takeFresh(memoryMb: number): GuestIsolate {
    if (memoryMb !== this.#spareMb) {
      this.#spareMb = memoryMb;
      this.#endSpares();
    }
    const spare = this.#spares.shift();
    this.#refill ??= this.#refillLater(REFILL_LOOKS);
    return spare && !spare.gone ? spare : this.#make(memoryMb);
  }

  /** Makes one at once, before anything is at work; the others follow. */
  prepareSpares(memoryMb: number): void {
    this.#spareMb = memoryMb;
    this.#fill();
  }

  #refillLater(looks: number): NodeJS.Timeout {
    const look = () => {
      this.#refill = undefined;
      if (this.#atWork.size > 0 && looks > 1) this.#refill = this.#refillLater(looks - 1);
      else this.#fill();
    };
    return setTimeout(look, REFILL_LOOK_MS).unref();
  }

  #fill(): void {
    if (this.#spares.length >= this.#limits.spares || this.#shortBytes() > 0) return;
    const spare = this.#make(this.#spareMb);
    this.#spares.push(spare);
    if (this.#spares.length < this.#limits.spares) this.#refill ??= this.#refillLater(REFILL_LOOKS);
  }

  #endSpares(): void {
    for (const spare of this.#spares.splice(0)) spare.evict();
  }

  /** Takes back an isolate that came to rest. */
  give(isolate: GuestIsolate, now: number): void {
    this.#atWork.delete(isolate);
    const kept = this.#kept.get(isolate);
    if (!kept) {
      isolate.evict();
      return;
    }
    this.#warmBytes += kept.measure(now);
    this.#idle.add(kept);
    const siblings = this.#idleByRevision.get(kept.revisionId);
    if (siblings) siblings.push(kept);
    else this.#idleByRevision.set(kept.revisionId, [kept]);
    this.#makeRoom(now);
  }

  /** One that was at work is gone. */
  forget(isolate: GuestIsolate): void {
    this.#atWork.delete(isolate);
    const kept = this.#kept.get(isolate);
    if (!kept) return;
    this.#kept.delete(isolate);
    this.#warmBytes -= kept.bytes;
  }

  /** Changes what its warm isolates may hold. */
  setMaxWarmBytes(maxWarmBytes: number, now: number): void {
    this.#limits.maxWarmBytes = maxWarmBytes;
    this.#makeRoom(now);
  }

  /** To be called now and then: ends what nobody used, and what the process holds too much for. */
  sweep(now: number): void {
    const { maxIdleMs } = this.#limits;
    const maxSurplusIdleMs = maxIdleMs * SURPLUS_IDLE_SHARE;
    for (const kept of [...this.#idle]) {
      const idleMs = now - kept.isolate.idleSince;
      if (idleMs <= maxSurplusIdleMs) break;
      if (idleMs <= maxIdleMs && !this.#isSurplus(kept)) continue;
      this.#evict(kept, now);
      this.evictions.idle++;
    }
    const shortBytes = this.#shortBytes();
    if (shortBytes <= 0) return;
    this.#endSpares();
    this.#free(shortBytes, now);
  }

  /** Whether its revision's next run would have another one. */
  #isSurplus(kept: KeptIsolate): boolean {
    return this.#idleByRevision.get(kept.revisionId)!.at(-1) !== kept;
  }

  /** By how much the process holds more than it may, whatever the runs at work have taken of what is theirs. */
  #shortBytes(): number {
    let atWorkBytes = 0;
    for (const { memoryMb } of this.#atWork) atWorkBytes += memoryMb * MEGABYTE;
    const mostBytes = this.#emptyRssBytes + this.#limits.maxWarmBytes + SLACK_BYTES + atWorkBytes;
    return this.#rssBytes() - mostBytes;
  }

  #makeRoom(now: number): void {
    this.#free(this.#warmBytes - this.#limits.maxWarmBytes, now);
  }

  #free(bytes: number, now: number): void {
    if (bytes <= 0) return;
    const trialBytes = this.#limits.maxWarmBytes * TRIAL_SHARE;
    for (const kept of chooseEvicted([...this.#idle], bytes, trialBytes, now)) {
      this.#evict(kept, now);
      this.evictions.memory++;
    }
  }

  #evict(kept: KeptIsolate, now: number): void {
    this.#leaveIdle(kept);
    this.forget(kept.isolate);
    this.#history.put(kept.revisionId, kept.scoreAtEnd(now), now);
    kept.isolate.evict();
  }

  #leaveIdle(kept: KeptIsolate): void {
    this.#idle.delete(kept);
    const siblings = this.#idleByRevision.get(kept.revisionId)!;
    siblings.splice(siblings.lastIndexOf(kept), 1);
    if (siblings.length === 0) this.#idleByRevision.delete(kept.revisionId);
  }
}
