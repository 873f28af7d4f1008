/**
 * A long search on the event loop of an API: it gives way to others between its steps, and has an end. Only its own turns
 * count, not what others did in theirs.
 */

/** A search goes on for so long before others have their turn. */
const TURN_MS = 10;
/** For all turns of a search whose result may be cut short. */
export const MAX_SEARCH_MS = 250;

export class SearchTurns {
  readonly #maxMs: number;
  readonly #now: () => number;
  #spentMs = 0;
  #sinceMs: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(maxMs = Infinity, now = () => performance.now()) {
    this.#maxMs = maxMs;
    this.#now = now;
    this.#sinceMs = now();
  }

  /** Asked after each step. */
  get isTurnOver(): boolean {
    return this.#now() - this.#sinceMs >= TURN_MS;
  }

  /** Whether the search has had all its time: as of the last turn. */
  get isSpent(): boolean {
    return this.#spentMs >= this.#maxMs;
  }

  /** Ends a turn that is over, and waits for the next one. */
  async giveWay(): Promise<void> {
    this.#spentMs += this.#now() - this.#sinceMs;
    await new Promise(setImmediate);
    this.#sinceMs = this.#now();
  }
}
