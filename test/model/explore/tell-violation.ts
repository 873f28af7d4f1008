/** A violation as it is printed: what was violated, of what, and the shortest trace that was found. */
import type { HasBug } from "../planted-bugs.ts";
import { describe } from "../simulation/moves.ts";
import type { Interleaving } from "./interleave.ts";
import { shrink } from "./shrink.ts";

export function tellViolation(found: Interleaving, hasBug: HasBug): string {
  const { made, violation, atMs } = shrink(found, hasBug);
  const { schedulers, workers, slots, limit, tasks } = found.setup;
  const steps = made.map(({ atMs, move }) => `  ${String(atMs).padStart(6)} ms  ${describe(move)}`);
  return [
    `VIOLATED ${violation!.invariant}: ${violation!.what}`,
    "",
    `schedulers ${schedulers}, workers ${workers} with ${slots} slots, limit ${limit}`,
    ...tasks.map(({ id, ...task }) => `task ${id} ${JSON.stringify(task)}`),
    "",
    ...steps,
    `  ${String(atMs).padStart(6)} ms  found, ${made.length} moves in the storm and some in the calm after it`,
  ].join("\n");
}
