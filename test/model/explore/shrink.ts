/** A violation's moves, fewer of them: those without which it does not come. */
import type { HasBug } from "../planted-bugs.ts";
import type { Move } from "../simulation/moves.ts";
import { type Interleaving, type Replay, replay } from "./interleave.ts";

/** A trace that is still too long after so many tries is read as it is. */
const MAX_REPLAYS = 3_000;

/** Takes away halves, then quarters, down to single moves, as long as the same invariant is violated. */
export function shrink(found: Interleaving, hasBug: HasBug): Replay {
  let moves: readonly Move[] = found.storm;
  let best = replay(found, moves, hasBug);
  let replays = 1;
  for (let size = Math.ceil(moves.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < moves.length && replays < MAX_REPLAYS; ) {
      const fewer = [...moves.slice(0, from), ...moves.slice(from + size)];
      const tried = replay(found, fewer, hasBug);
      replays += 1;
      if (tried.violation?.invariant === found.violation?.invariant) {
        moves = tried.made.map(({ move }) => move);
        best = tried;
      } else from += size;
    }
  }
  return best;
}
