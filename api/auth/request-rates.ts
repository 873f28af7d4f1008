/** How many requests each key makes, where its namespace limits that: counted by each API for itself, in memory. */
import { type RequestRate, type TakenRequest, takeRequest } from "../../core/domain/request-rate.ts";

/** Buckets that are full again are forgotten when there are so many. */
const SWEPT_AT = 10_000;

export interface RequestRates {
  take(keyId: string, rate: RequestRate): TakenRequest;
  /** How many of the key count now, and when the next one counts no longer. */
  look(keyId: string, rate: RequestRate): { used: number; nextInMs: number };
}

export function createRequestRates(nowMs = () => performance.now()): RequestRates {
  const fullAt = new Map<string, number>();
  let sweepAt = SWEPT_AT;

  function sweep(): void {
    const now = nowMs();
    for (const [keyId, atMs] of fullAt) if (atMs <= now) fullAt.delete(keyId);
    sweepAt = Math.max(SWEPT_AT, fullAt.size * 2);
  }
  return {
    take(keyId, rate) {
      const taken = takeRequest(rate, fullAt.get(keyId), nowMs());
      fullAt.set(keyId, taken.fullAtMs);
      if (fullAt.size > sweepAt) sweep();
      return taken;
    },
    look(keyId, { limit, perMs }) {
      const eachMs = perMs / limit;
      const untilFullMs = Math.min(Math.max((fullAt.get(keyId) ?? 0) - nowMs(), 0), perMs);
      const used = Math.ceil(untilFullMs / eachMs);
      return { used, nextInMs: used === 0 ? 0 : untilFullMs - (used - 1) * eachMs };
    },
  };
}
