/**
 * Bells in the order in which they rang. States of a bell: early (a timer holds it) → waiting → dealt with. One that is
 * early counts as dealt with for who brought it.
 */
import type { Clock } from "../core/clock.ts";
import type { Bell } from "../core/queue/transport.ts";

export interface WaitingBell {
  runId: string;
  settle(): void;
}

export interface WaitingBells {
  /** How many wait. */
  count(): number;
  /** Resolves when it was dealt with. */
  add(bell: Bell): Promise<void>;
  /** It waits from `waitMs` on; one that is early for longer than `longestMs` is left to whoever rings it again. */
  hold(bell: Bell, waitMs: number): void;
  /** Those that have waited longest; they go on waiting. */
  first(count: number): WaitingBell[];
  /** They were dealt with. */
  settle(bells: Iterable<WaitingBell>): void;
  settleAll(): void;
}

/** `onDue`: one that was early waits from now on. Once `ended`, no more become due. */
export function createWaitingBells(
  clock: Clock,
  ended: AbortSignal,
  longestMs: number,
  onDue: () => void,
): WaitingBells {
  const waiting = new Set<WaitingBell>();

  function wait(runId: string): Promise<void> {
    return new Promise((settle) => void waiting.add({ runId, settle }));
  }

  function hold({ runId }: Bell, waitMs: number): void {
    if (waitMs > longestMs) return;
    // At least a millisecond, so that nothing spins.
    void clock.sleep(Math.max(waitMs, 1), ended).then(() => {
      if (ended.aborted) return;
      void wait(runId);
      onDue();
    });
  }

  function settle(bells: Iterable<WaitingBell>): void {
    for (const bell of bells) if (waiting.delete(bell)) bell.settle();
  }

  return {
    count: () => waiting.size,
    async add(bell) {
      const earlyMs = bell.availableAt.getTime() - clock.now().getTime();
      if (earlyMs <= 0) await wait(bell.runId);
      else hold(bell, earlyMs);
    },
    hold,
    first: (count) => [...waiting].slice(0, count),
    settle,
    settleAll: () => settle([...waiting]),
  };
}
