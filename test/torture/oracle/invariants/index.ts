/** All that must hold. */
import type { Invariant } from "../evidence.ts";
import { atLeastOnce, noOverlap, nothingEarly } from "./effects.ts";
import { nothingStuck, onTimeAfterwards } from "./ending.ts";
import { acknowledgedFires, firesOnce } from "./firing.ts";
import { legalChanges, oneFinalRow } from "./one-life.ts";

export const INVARIANTS: readonly Invariant[] = [
  ...[acknowledgedFires, firesOnce, legalChanges, oneFinalRow, atLeastOnce, noOverlap, nothingEarly],
  ...[nothingStuck, onTimeAfterwards],
];
