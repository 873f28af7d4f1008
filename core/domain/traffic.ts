/** How a function's calls are split between its revisions. */
import { createHash } from "node:crypto";

/** Revision id → whole percent; the shares make 100, or there are none: then nothing is reached but by a tag. */
export type Traffic = Record<string, number>;

const BUCKETS = 100;

/**
 * The revision that serves a call. The same key stays with its revision while the shares stand, and as far as possible
 * when they move: older revisions hold the lower buckets, so a share that grows takes only from its neighbour.
 * Undefined where no revision has any traffic.
 */
export function pickRevision(traffic: Traffic, functionId: string, key: string): string | undefined {
  const shares = Object.entries(traffic).filter(([, percent]) => percent > 0);
  if (shares.length <= 1) return shares[0]?.[0];
  const bucket = bucketOf(functionId, key);
  let upTo = 0;
  // Ids are UUIDv7: their order is the order of the deploys.
  for (const [revisionId, percent] of shares.sort(([a], [b]) => (a < b ? -1 : 1))) {
    upTo += percent;
    if (bucket < upTo) return revisionId;
  }
  return shares.at(-1)![0];
}

function bucketOf(functionId: string, key: string): number {
  return createHash("sha256").update(`${functionId}\n${key}`).digest().readUInt32BE(0) % BUCKETS;
}

/** The revision with the largest share, the newer of two with the same; undefined where none has any. */
export function leadingRevision(traffic: Traffic): string | undefined {
  let lead: [string, number] | undefined;
  for (const [revisionId, percent] of Object.entries(traffic)) {
    if (percent === 0) continue;
    if (!lead || percent > lead[1] || (percent === lead[1] && revisionId > lead[0]))
      lead = [revisionId, percent];
  }
  return lead?.[0];
}
