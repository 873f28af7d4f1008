/** How many requests each key makes in a namespace that limits that: counted by each API for itself, in memory. */

import { type RequestRate, type TakenRequest, takeRequest } from "../../core/domain/request-rate.ts";
import type { KeyOwner } from "../../core/store/keys.ts";

/** Buckets that are full again are forgotten when there are so many. */
const SWEPT_AT = 10_000;

/** A token may open several namespaces, each with a rate of its own. */
export const bucketOf = ({ keyId, namespaceId }: KeyOwner) => `${keyId}/${namespaceId}`;

export interface RequestRates {
  take(bucket: string, rate: RequestRate): TakenRequest;
  /** One that was taken and does not count after all. */
  giveBack(bucket: string, rate: RequestRate): void;
  /** How many of them count now, and when the next one counts no longer. */
  look(bucket: string, rate: RequestRate): { used: number; nextInMs: number };
}

export function createRequestRates(nowMs = () => performance.now()): RequestRates {
  const fullAt = new Map<string, number>();
  let sweepAt = SWEPT_AT;

  function sweep(): void {
    const now = nowMs();
    for (const [bucket, atMs] of fullAt) if (atMs <= now) fullAt.delete(bucket);
    sweepAt = Math.max(SWEPT_AT, fullAt.size * 2);
  }
  return {
    take(bucket, rate) {
      const taken = takeRequest(rate, fullAt.get(bucket), nowMs());
      fullAt.set(bucket, taken.fullAtMs);
      if (fullAt.size > sweepAt) sweep();
      return taken;
    },
    giveBack(bucket, { limit, perMs }) {
      const atMs = fullAt.get(bucket);
      if (atMs !== undefined) fullAt.set(bucket, atMs - perMs / limit);
    },
    look(bucket, { limit, perMs }) {
      const eachMs = perMs / limit;
      const untilFullMs = Math.min(Math.max((fullAt.get(bucket) ?? 0) - nowMs(), 0), perMs);
      const used = Math.ceil(untilFullMs / eachMs);
      return { used, nextInMs: used === 0 ? 0 : untilFullMs - (used - 1) * eachMs };
    },
  };
}
