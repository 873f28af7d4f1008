/** By what a revision is addressed: the same upload is the same revision. */
import { createHash } from "node:crypto";
import type { AskedLimits } from "./function-limits.ts";

const hash = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");

/**
 * sha256, hex, over the entry and the files sorted by path. With the packages that its lock file names an upload is another
 * revision than without them, as an installation without a registry, or of the release before, has built it.
 */
export function hashSources(files: ReadonlyMap<string, string>, entry: string, hasPackages = false): string {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return hash(hasPackages ? [entry, sorted, "packages"] : [entry, sorted]);
}

/**
 * The address of a revision: that of its sources where the author said no more, else sha256, hex, over it and what was
 * said. The same sources with other limits are another revision.
 */
export function hashRevision(sourceHash: string, limits: AskedLimits, reuse: boolean): string {
  const asked = Object.entries(limits).sort(([a], [b]) => (a < b ? -1 : 1));
  return asked.length === 0 && reuse ? sourceHash : hash([sourceHash, asked, reuse]);
}
