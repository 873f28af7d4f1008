/**
 * Bells in the order in which they rang. States of a bell: early (a timer holds it) → waiting → handled. An early bell
 * counts as handled for the one who delivered it.
 *
 * A run whose row is locked has one timer, however often it rings: held (the timer is set) → waiting, as a bell → held
 * for longer or, if its bell was handled otherwise, forgotten.
 */
import type { Clock } from "../core/clock.ts";
import type { Bell } from "../core/queue/transport.ts";
import { lockedWaitMs } from "./locked-wait.ts";

export interface WaitingBell {
  runId: string;
  settle(): void;
}

export interface WaitingBells {
  /** How many wait. */
  count(): number;
  /** Resolves when it was dealt with. */
  add(bell: Bell): Promise<void>;
  /** A bell waits from `waitMs` on; one that is early for longer than `longestMs` is left to whoever rings it again. */
  holdEarly(runId: string, waitMs: number): void;
  /** The row of a run that is due is locked: a bell of it waits from a moment on, which is longer each time in a row. */
  holdLocked(runId: string): void;
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
  const locked = new Map<string, { looks: number; isHeld: boolean }>();

  function wait(runId: string): Promise<void> {
    return new Promise((settle) => void waiting.add({ runId, settle }));
  }

  function ring(runId: string): void {
    if (ended.aborted) return;
    void wait(runId);
    onDue();
  }

  function holdEarly(runId: string, waitMs: number): void {
    if (waitMs <= longestMs) void clock.sleep(waitMs, ended).then(() => ring(runId));
  }

  function holdLocked(runId: string): void {
    const run = locked.get(runId) ?? { looks: 0, isHeld: false };
    if (run.isHeld) return;
    const waitMs = lockedWaitMs(run.looks);
    run.looks += 1;
    run.isHeld = true;
    locked.set(runId, run);
    void clock.sleep(waitMs, ended).then(() => {
      run.isHeld = false;
      ring(runId);
    });
  }

  function settle(bells: Iterable<WaitingBell>): void {
    for (const bell of bells) {
      if (!waiting.delete(bell)) continue;
      bell.settle();
      if (!locked.get(bell.runId)?.isHeld) locked.delete(bell.runId);
    }
  }

  return {
    count: () => waiting.size,
    async add(bell) {
      const earlyMs = bell.availableAt.getTime() - clock.now().getTime();
      if (earlyMs <= 0) await wait(bell.runId);
      else holdEarly(bell.runId, earlyMs);
    },
    holdEarly,
    holdLocked,
    first: (count) => [...waiting].slice(0, count),
    settle,
    settleAll: () => settle([...waiting]),
  };
}
