/** Revisions a worker has loaded: they never change, so what is kept stays true. */
import type { RunnableRevision } from "../../core/store/functions/functions.ts";
import { ByteLru } from "../sandbox/parent/byte-lru.ts";

/** Everything of a revision but its script, which the sandbox asks for only where its executor does not have it. */
export type RevisionFacts = Omit<RunnableRevision, "code">;

export interface RevisionCache {
  facts(revisionId: string): Promise<RevisionFacts>;
  /** What is known right now, without a look. */
  recallFacts(revisionId: string): RevisionFacts | undefined;
  code(revisionId: string): Promise<string>;
}

const MAX_CODE_BYTES = 64_000_000;
const MAX_FACTS_BYTES = 4_000_000;
/** About what the facts of one revision take. */
const FACTS_BYTES = 400;

/** Loads a revision once, however many ask, and again after a failure or when its script had to go. */
export function createRevisionCache(load: (revisionId: string) => Promise<RunnableRevision>): RevisionCache {
  const factsKept = new ByteLru<RevisionFacts>(MAX_FACTS_BYTES);
  const codeKept = new ByteLru<string>(MAX_CODE_BYTES);
  const loading = new Map<string, Promise<RunnableRevision>>();

  async function loadAndKeep(revisionId: string): Promise<RunnableRevision> {
    try {
      const revision = await load(revisionId);
      const { code, ...facts } = revision;
      codeKept.set(revisionId, code, code.length * 2);
      factsKept.set(revisionId, facts, FACTS_BYTES);
      return revision;
    } finally {
      loading.delete(revisionId);
    }
  }

  function loadOnce(revisionId: string): Promise<RunnableRevision> {
    let pending = loading.get(revisionId);
    if (!pending) {
      pending = loadAndKeep(revisionId);
      loading.set(revisionId, pending);
    }
    return pending;
  }

  return {
    facts: async (revisionId) => factsKept.get(revisionId) ?? (await loadOnce(revisionId)),
    recallFacts: (revisionId) => factsKept.get(revisionId),
    code: async (revisionId) => codeKept.get(revisionId) ?? (await loadOnce(revisionId)).code,
  };
}
