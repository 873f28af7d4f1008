import { MAX_SEARCH_MS, SearchTurns } from "../../core/search-turns.ts";

/** Turns of a search whose every step takes `stepMs` by a clock of its own. `onTurn`: others have had theirs. */
export function createSlowTurns(stepMs: number, onTurn: () => void = () => {}): SearchTurns {
  let nowMs = 0;
  return new (class extends SearchTurns {
    override get isTurnOver(): boolean {
      nowMs += stepMs;
      return super.isTurnOver;
    }

    override async giveWay(): Promise<void> {
      setImmediate(onTurn);
      await super.giveWay();
    }
  })(MAX_SEARCH_MS, () => nowMs);
}
