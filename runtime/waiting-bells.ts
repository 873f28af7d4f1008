/**
 * Bells in the order in which they rang. States of a bell: early (a timer holds all of one millisecond) → waiting →
 * handled. An early bell counts as handled for the one who delivered it.
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
  /** Resolves when all of them were dealt with. */
  add(bells: Bell[]): Promise<void>;
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

/** Of a bell whose deliverer has been told. */
const tellNobody = () => {};

/** `onDue`: one that was early waits from now on. Once `ended`, no more become due. */
export function createWaitingBells(
  clock: Clock,
  ended: AbortSignal,
  longestMs: number,
  onDue: () => void,
): WaitingBells {
  const waiting = new Set<WaitingBell>();
  /** By the instant (ms since 1970) from which their bells wait: those of a herd share one timer. */
  const early = new Map<number, { runIds: string[]; wakesAtMs: number }>();
  const locked = new Map<string, { looks: number; isHeld: boolean }>();

  function ring(runIds: string[]): void {
    if (ended.aborted) return;
    for (const runId of runIds) waiting.add({ runId, settle: tellNobody });
    onDue();
  }

  function holdEarly(runId: string, waitMs: number): void {
    if (waitMs > longestMs) return;
    const dueMs = clock.now().getTime() + waitMs;
    const wakesAtMs = clock.steadyMs() + waitMs;
    const others = early.get(dueMs);
    // Not where the clock was set meanwhile: its timer goes by the time that passes.
    if (others && others.wakesAtMs <= wakesAtMs + 1) {
      others.runIds.push(runId);
      return;
    }
    const mine = { runIds: [runId], wakesAtMs };
    early.set(dueMs, mine);
    void clock.sleep(waitMs, ended).then(() => {
      if (early.get(dueMs) === mine) early.delete(dueMs);
      ring(mine.runIds);
    });
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
      ring([runId]);
    });
  }

  function first(count: number): WaitingBell[] {
    const bells: WaitingBell[] = [];
    for (const bell of waiting) {
      if (bells.length === count) break;
      bells.push(bell);
    }
    return bells;
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
    async add(bells) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let left = 0;
      const settle = () => {
        left -= 1;
        if (left === 0) resolve();
      };
      const nowMs = clock.now().getTime();
      for (const { runId, availableAt } of bells) {
        const earlyMs = availableAt.getTime() - nowMs;
        if (earlyMs > 0) holdEarly(runId, earlyMs);
        else {
          left += 1;
          waiting.add({ runId, settle });
        }
      }
      if (left > 0) await promise;
    },
    holdEarly,
    holdLocked,
    first,
    settle,
    settleAll: () => settle([...waiting]),
  };
}
