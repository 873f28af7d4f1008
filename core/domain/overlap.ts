/** What becomes of an occurrence whose instant comes while an earlier one of its task is still open. Pure. */
import type { CatchUp } from "./catch-up.ts";
import type { RunTrigger } from "./run-trigger.ts";

/** `wait`: one waits, more are skipped. */
export const OVERLAPS = ["skip", "allow", "wait", "cancel-previous"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** The open runs of one task, by their ids. Dead letters and runs that somebody asked for are none of them. */
export interface RunLine {
  /** Some run was let go and has not ended: it is queued, is running, or waits for a retry. */
  isBusy: boolean;
  /** Those that wait for their turn, in turn. */
  waiting: readonly string[];
  /** Those whose instant has come and of which nothing is decided, in the order of their instants. */
  due: readonly string[];
}

/** What each run that is named becomes; one that waits already and is not named goes on waiting. */
export interface LineVerdict {
  start: string[];
  wait: string[];
  skip: string[];
  cancel: string[];
  /** Those that were let go as well: the run that takes their place waits until they have stopped. */
  cancelsBusy: boolean;
}

export function decideOverlap(overlap: Overlap, line: RunLine): LineVerdict {
  const verdict: LineVerdict = { start: [], wait: [], skip: [], cancel: [], cancelsBusy: false };
  let waiting = [...line.waiting];
  if (!line.isBusy) verdict.start = waiting.splice(0, 1);
  for (const runId of line.due) {
    const isBusy = line.isBusy || verdict.start.length > 0;
    if (!isBusy && waiting.length === 0) {
      verdict.start.push(runId);
      continue;
    }
    switch (overlap) {
      case "allow":
        verdict.start.push(runId);
        break;
      case "skip":
        verdict.skip.push(runId);
        break;
      case "wait":
        if (waiting.length > 0) verdict.skip.push(runId);
        else waiting.push(runId);
        break;
      case "cancel-previous":
        verdict.cancel.push(...verdict.start, ...waiting);
        verdict.start = [];
        verdict.cancelsBusy = line.isBusy;
        waiting = [runId];
        break;
      default:
        overlap satisfies never;
    }
  }
  const stood = new Set(line.waiting);
  verdict.wait = waiting.filter((runId) => !stood.has(runId));
  return verdict;
}

/** Whether a later run of the task may wait for the end of this one. */
export const mayHoldNext = (
  trigger: RunTrigger,
  { overlap, catchUp }: { overlap: Overlap; catchUp: CatchUp | null },
): boolean =>
  trigger === "schedule" &&
  (overlap === "wait" || overlap === "cancel-previous" || catchUp?.policy === "all");
