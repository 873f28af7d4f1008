/**
 * After ends that call somebody: the runs of their callbacks are made, and bells tell the workers. States: quiet → looking
 * (what ends meanwhile is in the next look) → quiet. A look that fails is left to the scheduler's, which comes every
 * second.
 */
import type { EndedRun } from "../store/runs/end.ts";
import type { EndConsumer } from "./run-ends.ts";

/** @param make makes the runs of all ends that were noted, and rings them */
export function makeCallbacksAtEnds(
  make: () => Promise<void>,
  onError: (error: unknown) => void,
): EndConsumer {
  let isWanted = false;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    // One turn later: what ended in one batch is looked for together.
    await Promise.resolve();
    while (isWanted) {
      isWanted = false;
      try {
        await make();
      } catch (error) {
        onError(error);
      }
    }
    looking = undefined;
  }

  const collect = (runs: EndedRun[]) => {
    if (!runs.some(({ hasCallbacks }) => hasCallbacks)) return;
    isWanted = true;
    looking ??= look();
  };
  return {
    name: "make callbacks",
    ...{ final: collect, dead: collect, scheduled: null, givenBack: null },
    async flush() {
      await looking;
    },
  };
}
