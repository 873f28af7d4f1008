/**
 * After permits were given back for which runs wait: they go to those whose turn it is, and bells tell the workers.
 * States: quiet → looking (what is given back meanwhile is in the next look) → quiet. A look that fails is left to the
 * scheduler's, which comes every second.
 */
import type { Bell } from "../queue/transport.ts";
import type { EndedRun } from "../store/runs/end.ts";
import type { StagedRun } from "../store/runs/staged-run.ts";
import type { EndConsumer } from "./run-ends.ts";

/**
 * @param grant gives the permits of these limit keys to runs that wait for them
 * @param ring rings those
 */
export function grantReturnedPermits(
  grant: (keys: string[]) => Promise<StagedRun[]>,
  ring: (bells: Bell[]) => Promise<void>,
  onError: (error: unknown) => void,
): EndConsumer {
  const wanted = new Set<string>();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    // One turn later: what ended in one batch is looked for together.
    await Promise.resolve();
    while (wanted.size > 0) {
      const keys = [...wanted];
      wanted.clear();
      try {
        const granted = await grant(keys);
        if (granted.length > 0) await ring(granted);
      } catch (error) {
        onError(error);
      }
    }
    looking = undefined;
  }

  const collect = (runs: EndedRun[]) => {
    for (const { wantedKeys } of runs) for (const key of wantedKeys ?? []) wanted.add(key);
    if (wanted.size > 0) looking ??= look();
  };
  return {
    name: "grant returned permits",
    ...{ final: collect, dead: collect, scheduled: collect, givenBack: collect },
    async flush() {
      await looking;
    },
  };
}
