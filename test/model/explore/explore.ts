/** Interleavings one after another, until one violates an invariant. */
import { type HasBug, NO_BUGS } from "../planted-bugs.ts";
import { type Interleaving, interleave } from "./interleave.ts";

export interface Exploration {
  interleavings: number;
  moves: number;
  found: Interleaving | undefined;
}

export interface ExplorationOptions {
  interleavings: number;
  /** Of the first; each further one has the next. */
  seed: number;
  hasBug?: HasBug;
  onProgress?(so: { interleavings: number; moves: number }): void;
}

export const MAX_SEED = 2 ** 32 - 1;
const PROGRESS_EVERY = 500;

export function explore({
  interleavings,
  seed,
  hasBug = NO_BUGS,
  onProgress,
}: ExplorationOptions): Exploration {
  let moves = 0;
  for (let count = 1; count <= interleavings; count += 1) {
    const one = interleave((seed + count - 1) % (MAX_SEED + 1), hasBug);
    moves += one.moveCount;
    if (one.violation) return { interleavings: count, moves, found: one };
    if (count % PROGRESS_EVERY === 0) onProgress?.({ interleavings: count, moves });
  }
  return { interleavings, moves, found: undefined };
}
