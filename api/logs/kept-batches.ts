/** How much of logs all feeds keep together: what comes beyond it drops the oldest, and whoever needed that reads alone. */

/** In characters of JSON, each of which stands for some four bytes of memory. */
export const MAX_KEPT_CHARS = 16_777_216;

export interface KeptBatches {
  /** In the order of their coming. `drop` is called where it has to go; what this returns forgets it. */
  add(chars: number, drop: () => void): () => void;
}

export function createKeptBatches(maxChars = MAX_KEPT_CHARS): KeptBatches {
  const entries = new Set<{ chars: number; drop(): void }>();
  let kept = 0;
  return {
    add(chars, drop) {
      const entry = { chars, drop };
      entries.add(entry);
      kept += chars;
      for (const oldest of entries) {
        if (kept <= maxChars || oldest === entry) break;
        entries.delete(oldest);
        kept -= oldest.chars;
        oldest.drop();
      }
      return () => {
        if (entries.delete(entry)) kept -= chars;
      };
    },
  };
}
