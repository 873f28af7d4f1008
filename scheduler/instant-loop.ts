/** A loop that keeps instants, so a bell or an instant it rested for waits for nobody else's statements. */
import type { Clock } from "../core/clock.ts";
import { type Loop, startLoop } from "../core/loop-rest.ts";
import { ASLEEP_MS, type Quiet } from "./quiet.ts";

/**
 * Looks, rests for as many milliseconds as `look` answers, or until it is woken, and looks again; after a look that failed
 * it rests for `retryMs`. Only after a whole rest of who sleeps, for which nobody waits, does it wait for who is at work.
 */
export function startInstantLoop(
  clock: Clock,
  quiet: Quiet,
  look: () => Promise<number>,
  on: { retryMs: number; failed(error: unknown): void },
): Loop {
  let restMs = 0;

  async function pass(): Promise<number> {
    restMs = on.retryMs;
    restMs = await look();
    return restMs;
  }

  const loop = startLoop(
    clock,
    async (stopping, isWoken) => {
      if (isWoken || restMs < ASLEEP_MS) return await pass();
      return (await quiet.promptly(pass, stopping)) ?? restMs;
    },
    on,
  );
  quiet.onLively(loop.wake);
  return loop;
}
