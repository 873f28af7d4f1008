import type { InputRoom } from "./input-room.ts";

/** How many runs a worker works on at once. A slot is taken before a claim and given back when the run is recorded. */
export interface Slots {
  readonly total: number;
  free(): number;
  /** Whether none is taken. */
  isIdle(): boolean;
  /** The most that were taken at once since this was last asked. */
  peak(): number;
  take(count: number): void;
  release(count: number): void;
  /** Calls back after slots were taken. */
  onTake(callback: () => void): void;
  /** Calls back after slots were given back. */
  onFree(callback: () => void): void;
  /** Resolves when all are free. */
  whenIdle(): Promise<void>;
}

/** @param room while it is full no slot is free */
export function createSlots(total: number, room?: Pick<InputRoom, "isFull" | "onFree">): Slots {
  let free = total;
  let least = total;
  const callbacks: (() => void)[] = [];
  const takeCallbacks: (() => void)[] = [];
  let idleWaiters: (() => void)[] = [];
  return {
    total,
    free: () => (room?.isFull() ? 0 : free),
    isIdle: () => free === total,
    peak() {
      const taken = total - least;
      least = free;
      return taken;
    },
    take(count) {
      free -= count;
      least = Math.min(least, free);
      if (count > 0) for (const callback of takeCallbacks) callback();
    },
    release(count) {
      free += count;
      for (const callback of callbacks) callback();
      if (free < total) return;
      for (const resolve of idleWaiters) resolve();
      idleWaiters = [];
    },
    onTake: (callback) => void takeCallbacks.push(callback),
    onFree(callback) {
      callbacks.push(callback);
      room?.onFree(callback);
    },
    whenIdle: () =>
      free === total ? Promise.resolve() : new Promise((resolve) => void idleWaiters.push(resolve)),
  };
}
