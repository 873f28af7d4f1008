/** Records the first cold start of each revision with the revision: by a separate statement, once per worker. */
const MAX_KNOWN = 10_000;

export interface ColdStarts {
  note(revisionId: string, coldStartMs: number): void;
}

/** What is not recorded is told by `onError`, and left to the next cold start. */
export function createColdStarts(
  record: (revisionId: string, coldStartMs: number) => Promise<void>,
  onError: (error: unknown) => void,
): ColdStarts {
  const known = new Set<string>();
  return {
    note(revisionId, coldStartMs) {
      if (known.has(revisionId)) return;
      if (known.size >= MAX_KNOWN) known.clear();
      known.add(revisionId);
      record(revisionId, coldStartMs).catch((error: unknown) => {
        known.delete(revisionId);
        onError(error);
      });
    },
  };
}
