/**
 * Makes batches of claims and records of runs that end one by one, while more runs are due than there is room for. One
 * claim costs the database as much as fifty of its runs do, one record as much as thirty. Pure.
 */
import { CLAIM_BATCH } from "./decide-claim.ts";

/** No free slot, and no run that has ended, waits longer for others. */
export const GATHER_MS = 25;

/** Of all slots. One that waits until so many are free stands empty for a sixteenth of the time, on the average. */
const SHARE = 0.125;

interface Backlog {
  slots: number;
  /** The last claim got all that it asked for. Without a backlog nothing waits. */
  hasBacklog: boolean;
}

/** Whether a claim waits for more slots to be free. */
export const wantsMoreSlots = ({ slots, hasBacklog, freeSlots }: Backlog & { freeSlots: number }): boolean =>
  hasBacklog && freeSlots < Math.min(slots * SHARE, CLAIM_BATCH);

/** Whether `ended` runs, of those `inWork`, wait for others to be recorded with. */
export const wantsMoreEnds = ({
  slots,
  hasBacklog,
  inWork,
  ended,
}: Backlog & { inWork: number; ended: number }): boolean =>
  hasBacklog && ended < Math.min(slots * SHARE, inWork, CLAIM_BATCH);
