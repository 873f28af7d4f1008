import { NEVER_USED, type UseScore, usesAt } from "./use-score.ts";

/** Most of them have been forgotten by everybody else by then. */
const MAX_REVISIONS = 10_000;

/** How often isolates were wanted that are gone, by revision: the next one of it begins with that. */
export class UseHistory {
  /** The last put last. */
  readonly #scores = new Map<string, UseScore>();

  /** Answers and forgets what is known: it is the new isolate's now. */
  take(revisionId: string): UseScore {
    const score = this.#scores.get(revisionId);
    this.#scores.delete(revisionId);
    return score ?? NEVER_USED;
  }

  /** Of several isolates of a revision the one that was wanted most. */
  put(revisionId: string, score: UseScore, now: number): void {
    const known = this.take(revisionId);
    this.#scores.set(revisionId, usesAt(known, now) > usesAt(score, now) ? known : score);
    if (this.#scores.size > MAX_REVISIONS) this.#scores.delete(this.#scores.keys().next().value!);
  }
}
