/** Who can go on as things stand, by itself: actors, bells and notes that arrive. */
import { canHear, type Move } from "../simulation/moves.ts";
import type { Process } from "../simulation/processes.ts";
import type { World } from "../simulation/world.ts";

export type Step =
  | { kind: "actor" | "note"; name: string; move: Move }
  /** It goes to one of these. */
  | { kind: "bell"; name: string; hearers: readonly Process[] };

export function listSteps(world: World): Step[] {
  const steps: Step[] = [];
  for (const actor of world.actors) if (world.canMove(actor)) steps.push(actor.step);
  if (world.bells.size > 0) {
    const hearers = [...world.processes.values()].filter(canHear);
    if (hearers.length > 0)
      for (const { id, heardBy } of world.bells.values())
        if (heardBy === null) steps.push({ kind: "bell", name: id, hearers });
  }
  for (const id of world.notes.keys())
    steps.push({ kind: "note", name: id, move: { kind: "note", note: id } });
  return steps;
}
