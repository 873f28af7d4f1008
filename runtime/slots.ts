import type { InputRoom } from "./input-room.ts";

/**
 * How many runs a worker executes at once. A slot is taken before a run begins. Once the run has ended the next one may
 * begin in its slot while the first is being recorded (`beginRecording`); otherwise it is given back when that is done.
 */
export interface Slots {
  readonly total: number;
  free(): number;
  /** How many runs have begun and are not recorded. */
  inWork(): number;
  /** Whether there are none. */
  isIdle(): boolean;
  /** The most runs that were in work at once since this was last asked; not more than there are slots. */
  peak(): number;
  take(count: number): void;
  release(count: number): void;
  /**
   * Frees the slot of a run that has ended; what it returns is called when the run is recorded, or will not be. As many
   * runs as there are slots are recorded outside them: those beyond keep theirs, so that nothing piles up.
   */
  beginRecording(): () => void;
  /** Calls back after slots were taken. */
  onTake(callback: () => void): void;
  /** Calls back after slots were given back. */
  onFree(callback: () => void): void;
  /** Resolves when no run is in work. */
  whenIdle(): Promise<void>;
}

/** @param room while it is full no slot is free */
export function createSlots(total: number, room?: Pick<InputRoom, "isFull" | "onFree">): Slots {
  let free = total;
  let mostInWork = 0;
  /** Runs that have ended, and have no slot any more. */
  let recording = 0;
  const callbacks: (() => void)[] = [];
  const takeCallbacks: (() => void)[] = [];
  let idleWaiters: (() => void)[] = [];
  const inWork = () => total - free + recording;
  const isIdle = () => inWork() === 0;

  function release(count: number): void {
    free += count;
    for (const callback of callbacks) callback();
    tellIdle();
  }

  function tellIdle(): void {
    if (!isIdle()) return;
    for (const resolve of idleWaiters) resolve();
    idleWaiters = [];
  }

  function endRecording(): void {
    recording -= 1;
    tellIdle();
  }

  return {
    total,
    free: () => (room?.isFull() ? 0 : free),
    inWork,
    isIdle,
    peak() {
      const most = mostInWork;
      mostInWork = inWork();
      return Math.min(most, total);
    },
    take(count) {
      free -= count;
      mostInWork = Math.max(mostInWork, inWork());
      if (count > 0) for (const callback of takeCallbacks) callback();
    },
    release,
    beginRecording() {
      if (recording >= total) return () => release(1);
      recording += 1;
      release(1);
      return endRecording;
    },
    onTake: (callback) => void takeCallbacks.push(callback),
    onFree(callback) {
      callbacks.push(callback);
      room?.onFree(callback);
    },
    whenIdle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => void idleWaiters.push(resolve))),
  };
}
