import { createHash } from "node:crypto";
import type { AskedLimits } from "../../core/domain/function-limits.ts";

/**
 * The address of a revision: that of its sources where the author said no more, else sha256, hex, over it and what was
 * said. The same sources with other limits are another revision.
 */
export function hashRevision(sourceHash: string, limits: AskedLimits, reuse: boolean): string {
  const asked = Object.entries(limits).sort(([a], [b]) => (a < b ? -1 : 1));
  if (asked.length === 0 && reuse) return sourceHash;
  return createHash("sha256")
    .update(JSON.stringify([sourceHash, asked, reuse]))
    .digest("hex");
}
