/** The revision that the next worker is started for, as the bell says: it fetches what a call of that needs while it starts. */
import type { Clock } from "../../core/clock.ts";
import { isId } from "../../core/store/ids.ts";
import type { Bell } from "../../core/store/listen.ts";

/** A worker that starts later than that is started for something else. */
const EXPECTED_MS = 1_000;

export interface ExpectedCall {
  hear(bell: Pick<Bell, "ids">): void;
  /** For one worker, which starts now; undefined: nobody said, or another was told. */
  take(): string | undefined;
}

export function createExpectedCall(clock: Pick<Clock, "steadyMs">): ExpectedCall {
  let heard: { revisionId: string; atMs: number } | undefined;
  return {
    hear({ ids }) {
      // Whoever may ring may say anything.
      const revisionId = ids.find(isId);
      if (revisionId !== undefined) heard = { revisionId, atMs: clock.steadyMs() };
    },
    take() {
      const taken = heard;
      heard = undefined;
      return taken && clock.steadyMs() - taken.atMs < EXPECTED_MS ? taken.revisionId : undefined;
    },
  };
}
