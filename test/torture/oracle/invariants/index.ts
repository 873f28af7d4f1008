/** All that must hold. */
import type { Invariant } from "../evidence.ts";
import { attemptsInOrder, backsOff, beginsInTime, leaseKept } from "./attempts.ts";
import { changesWin } from "./changes.ts";
import { atLeastOnce, noOverlap, nothingEarly } from "./effects.ts";
import { bounded, noLag, nothingStuck, onTimeAfterwards } from "./ending.ts";
import { acknowledgedFires, askedOnce, firesOnce, refusedMakesNothing } from "./firing.ts";
import { everyInstant, exclusionsHold } from "./grids.ts";
import { pausesHold, withinConcurrency, withinRates } from "./limits.ts";
import { bulkActionsWhole, inputsInOneRun } from "./many.ts";
import { legalChanges, oneFinalRow } from "./one-life.ts";
import { oneAtATime } from "./overlaps.ts";
import { callbacksDelivered, callersHearTheEnd, deadLettersStay, logsComplete } from "./told.ts";

export const INVARIANTS: readonly Invariant[] = [
  ...[acknowledgedFires, askedOnce, refusedMakesNothing, firesOnce, everyInstant, exclusionsHold],
  ...[changesWin, inputsInOneRun, bulkActionsWhole],
  ...[legalChanges, oneFinalRow, atLeastOnce, noOverlap, nothingEarly],
  ...[leaseKept, attemptsInOrder, backsOff, beginsInTime],
  ...[withinConcurrency, withinRates, pausesHold, oneAtATime],
  ...[callersHearTheEnd, callbacksDelivered, logsComplete, deadLettersStay],
  ...[nothingStuck, onTimeAfterwards, bounded, noLag],
];
