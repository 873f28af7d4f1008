/**
 * What all decoders hold together. No isolate's memory counts it, and servers choose how much it is: a function that
 * has many large answers open at once must not fill the process, nor keep others from theirs.
 *
 * A claim waits → holds → is over, by its release; one that waits too long fails. Where the process's bound is what is
 * waited for, the tenant that holds least goes first, and after a while takes from the one that holds most.
 */
import type { Clock } from "../clock.ts";
import { EgressError } from "./egress-error.ts";

export interface DecoderMemoryLimits {
  tenantBytes: number;
  totalBytes: number;
}

export interface DecoderClaim {
  tenant: string;
  /** Those that count together within the tenant, as one run does, and how much they may hold. */
  holder: object;
  holderBytes: number;
  bytes: number;
  signal: AbortSignal;
  /** It must be given back: others have waited for it. */
  onRevoked(): void;
}

/** How long a claim waits at most. */
const MAX_WAIT_MS = 10_000;
/** How long a tenant keeps what it holds while one that holds less waits. */
const TENURE_MS = 1_000;

interface Waiting {
  claim: DecoderClaim;
  sinceMs: number;
  settle: { resolve(release: () => void): void; reject(reason: unknown): void };
  stopLooking(): void;
  onAbort(): void;
}

interface Held {
  claim: DecoderClaim;
  sinceMs: number;
  isRevoked: boolean;
}

export class DecoderMemory {
  readonly #limits: DecoderMemoryLimits;
  readonly #clock: Clock;
  readonly #byTenant = new Map<string, number>();
  readonly #byHolder = new Map<object, number>();
  #totalBytes = 0;
  /** First come, first here. */
  readonly #waiting = new Set<Waiting>();
  readonly #held = new Set<Held>();

  constructor(limits: DecoderMemoryLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get heldBytes(): number {
    return this.#totalBytes;
  }

  /**
   * Resolves, in its turn, with what gives it back. Rejects with `overloaded` after 10 s, with `response_too_large`
   * where the claim is more than its holder may ever have, with the signal's reason when that aborts.
   */
  async take(claim: DecoderClaim): Promise<() => void> {
    claim.signal.throwIfAborted();
    const most = Math.min(claim.holderBytes, this.#limits.tenantBytes, this.#limits.totalBytes);
    if (claim.bytes > most) throw neverFits(claim.bytes, most);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        claim,
        sinceMs: this.#nowMs(),
        settle: { resolve, reject },
        stopLooking: () => {},
        onAbort: () => this.#fail(waiting, claim.signal.reason),
      };
      this.#waiting.add(waiting);
      this.#admit();
      if (!this.#waiting.has(waiting)) return;
      claim.signal.addEventListener("abort", waiting.onAbort);
      this.#lookAfter(waiting);
    });
  }

  #lookAfter(waiting: Waiting): void {
    waiting.stopLooking = this.#clock.after(TENURE_MS, () => {
      if (this.#nowMs() - waiting.sinceMs >= MAX_WAIT_MS) {
        this.#fail(waiting, tooLong());
        return;
      }
      this.#lookAfter(waiting);
      this.#displaceFor(waiting.claim);
    });
  }

  #fail(waiting: Waiting, reason: unknown): void {
    this.#leave(waiting);
    waiting.settle.reject(reason);
    // It may have held up those behind it.
    this.#admit();
  }

  #leave(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    waiting.stopLooking();
    waiting.claim.signal.removeEventListener("abort", waiting.onAbort);
  }

  #admit(): void {
    for (let next = this.#next(); next; next = this.#next()) {
      const { claim, settle } = next;
      // Nobody passes: else the large ones would never have their turn.
      if (this.#totalBytes + claim.bytes > this.#limits.totalBytes) return;
      this.#leave(next);
      settle.resolve(this.#hold(claim));
    }
  }

  /** Of each tenant its first claim whose run has room; of those that the tenant has room for, the poorest tenant's. */
  #next(): Waiting | undefined {
    const seen = new Set<string>();
    let next: Waiting | undefined;
    for (const waiting of this.#waiting) {
      const { claim } = waiting;
      if (seen.has(claim.tenant) || !this.#holderHasRoom(claim)) continue;
      seen.add(claim.tenant);
      if (!this.#tenantHasRoom(claim)) continue;
      if (!next || this.#heldBy(claim.tenant) < this.#heldBy(next.claim.tenant)) next = waiting;
    }
    return next;
  }

  #hold(claim: DecoderClaim): () => void {
    const held: Held = { claim, sinceMs: this.#nowMs(), isRevoked: false };
    this.#held.add(held);
    this.#count(claim, claim.bytes);
    return () => {
      if (!this.#held.delete(held)) return;
      this.#count(claim, -claim.bytes);
      this.#admit();
    };
  }

  #count({ tenant, holder }: DecoderClaim, bytes: number): void {
    add(this.#byTenant, tenant, bytes);
    add(this.#byHolder, holder, bytes);
    this.#totalBytes += bytes;
  }

  /** Takes from the tenant that holds most what the claim lacks, as long as that leaves it no poorer than the claim's. */
  #displaceFor(claim: DecoderClaim): void {
    if (!this.#holderHasRoom(claim) || !this.#tenantHasRoom(claim)) return;
    const richest = this.#richest();
    let left = this.#heldBy(richest);
    const enough = this.#heldBy(claim.tenant) + claim.bytes;
    let missing = this.#totalBytes + claim.bytes - this.#limits.totalBytes;
    for (const held of this.#held) {
      if (missing <= 0 || left <= enough) return;
      if (held.claim.tenant !== richest || this.#nowMs() - held.sinceMs < TENURE_MS) continue;
      missing -= held.claim.bytes;
      left -= held.claim.bytes;
      if (held.isRevoked) continue;
      held.isRevoked = true;
      held.claim.onRevoked();
    }
  }

  #richest(): string {
    let richest = "";
    for (const [tenant, bytes] of this.#byTenant) if (bytes > this.#heldBy(richest)) richest = tenant;
    return richest;
  }

  #heldBy(tenant: string): number {
    return this.#byTenant.get(tenant) ?? 0;
  }

  #holderHasRoom({ holder, holderBytes, bytes }: DecoderClaim): boolean {
    return (this.#byHolder.get(holder) ?? 0) + bytes <= holderBytes;
  }

  #tenantHasRoom({ tenant, bytes }: DecoderClaim): boolean {
    return this.#heldBy(tenant) + bytes <= this.#limits.tenantBytes;
  }

  #nowMs(): number {
    return this.#clock.now().getTime();
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, bytes: number): void {
  const left = (counts.get(key) ?? 0) + bytes;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

export function decoderRevoked(): EgressError {
  return new EgressError(
    "overloaded",
    "The answer's decoder was closed before its end: it held memory for which others have waited.",
  );
}

function tooLong(): EgressError {
  return new EgressError(
    "overloaded",
    "The answer was not decoded: too many large encoded answers are read at once, and none ended within " +
      `${MAX_WAIT_MS / 1_000} seconds.`,
  );
}

function neverFits(bytes: number, most: number): EgressError {
  const [needed, allowed] = [bytes, most].map((each) => Math.ceil(each / 1_048_576));
  return new EgressError(
    "response_too_large",
    `The answer takes ${needed} MB to be decoded, more than the ${allowed} MB that may be held for it.`,
  );
}
