/** Rings runs that calls may join at their instants; from then on no call joins them. */
import type { Clock } from "../core/clock.ts";
import type { Loop } from "../core/loop-rest.ts";
import type { ClosedRuns } from "../core/store/joins/joinable-runs.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";
import { startInstantLoop } from "./instant-loop.ts";
import type { Quiet } from "./quiet.ts";

/** No sleep is longer while anything goes on: a bell that was lost costs so much. */
const LOOK_MS = 1_000;
/** Instants closer together than this are looked at together. */
const LEAST_MS = 5;
/** After a failed look. */
const RETRY_MS = 500;

/** How long to rest after a look. Pure. */
export function decideRestMs({ nextInMs }: ClosedRuns): number {
  return Math.min(Math.max(nextInMs ?? LOOK_MS, LEAST_MS), LOOK_MS);
}

/** To be woken where a run waits that did not. */
export function startCloseLoop(
  clock: Clock,
  close: () => Promise<ClosedRuns>,
  quiet: Quiet,
  on: { closed(runs: StagedRun[]): void; failed(error: unknown): void },
): Loop {
  async function look(): Promise<number> {
    const closed = await close();
    if (closed.runs.length > 0) on.closed(closed.runs);
    return closed.nextInMs === null ? quiet.stretch(LOOK_MS) : decideRestMs(closed);
  }
  return startInstantLoop(clock, quiet, look, { retryMs: RETRY_MS, failed: on.failed });
}
