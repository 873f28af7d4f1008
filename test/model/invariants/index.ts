/** All invariants, and who watches them together. */
import type { World } from "../simulation/world.ts";
import { changeWins, noOverlap, staleStops } from "./executing.ts";
import { firesOnce, nothingEarly, skipsInTime } from "./firing.ts";
import type { Invariant, Violation, Watch } from "./invariant.ts";
import { beginsUnderLease, leaseKept, takenWithoutLease } from "./leases.ts";
import { limitsExact, overlapObeyed } from "./limits.ts";
import { bellsKept, nothingHeldBack, nothingStuck, onTimeAfterwards } from "./quiet.ts";
import { executedAtLeastOnce, legalChanges, oneFinalRow, recordedByHolder } from "./recording.ts";

export const listInvariants = (leaseMs: number): Invariant[] => [
  ...[firesOnce, nothingEarly, skipsInTime],
  ...[noOverlap, staleStops(leaseMs), beginsUnderLease, takenWithoutLease, leaseKept(leaseMs), changeWins],
  ...[legalChanges, oneFinalRow, recordedByHolder, executedAtLeastOnce],
  ...[limitsExact, overlapObeyed],
  ...[nothingStuck, onTimeAfterwards, bellsKept, nothingHeldBack],
];

export interface Judge extends Watch {
  /** The first; undefined: all holds so far. */
  violation(): Violation | undefined;
}

export function createJudge(world: World, leaseMs: number): Judge {
  let violation: Violation | undefined;
  const watches = listInvariants(leaseMs).map(({ name, watch }) =>
    watch(world, (what) => {
      violation ??= { invariant: name, what };
    }),
  );
  const hearing = <Event extends keyof Watch>(event: Event) =>
    watches.flatMap((watch) => watch[event] ?? []) as Watch[Event][];
  const [committed, began, ended] = [hearing("committed"), hearing("began"), hearing("ended")];
  const [advanced, quiet] = [hearing("advanced"), hearing("quiet")];
  return {
    violation: () => violation,
    committed(changes, by) {
      for (const hear of committed) hear(changes, by);
    },
    began(attempt, claimed) {
      for (const hear of began) hear(attempt, claimed);
    },
    ended(attempt) {
      for (const hear of ended) hear(attempt);
    },
    advanced() {
      for (const hear of advanced) hear();
    },
    quiet() {
      for (const hear of quiet) hear();
    },
  };
}
