/**
 * Limits the bytes of large inputs that a worker holds at a time. A run: waits for room (first come, first served) →
 * has it until it is recorded. While one waits nothing is claimed, so that this worker holds few runs that another
 * could begin.
 */
import { getHeapStatistics } from "node:v8";

export interface InputRoom {
  /**
   * Resolves with what gives the room back; with undefined where the signal aborts before there is any. One that is larger
   * than all of the room has it alone.
   */
  take(bytes: number, signal: AbortSignal): Promise<(() => void) | undefined>;
  /** The same at once, or undefined: there is no room now. */
  tryTake(bytes: number): (() => void) | undefined;
  /** Whether any waits. */
  isFull(): boolean;
  /** Calls back when none waits any more. */
  onFree(callback: () => void): void;
}

/** As JSON text; parsed it may be twenty times as much. */
const MAX_BYTES = 64_000_000;
const HEAP_SHARE = 1 / 64;

export const roomOfHeap = (): number =>
  Math.min(MAX_BYTES, Math.floor(getHeapStatistics().heap_size_limit * HEAP_SHARE));

interface Waiting {
  bytes: number;
  enter(): void;
}

export function createInputRoom(maxBytes: number): InputRoom {
  let held = 0;
  let waiting: Waiting[] = [];
  const callbacks: (() => void)[] = [];
  const fits = (bytes: number) => held === 0 || held + bytes <= maxBytes;

  function admit(): void {
    const wasFull = waiting.length > 0;
    while (waiting.length > 0 && fits(waiting[0]!.bytes)) waiting.shift()!.enter();
    if (wasFull && waiting.length === 0) for (const callback of callbacks) callback();
  }

  function enter(bytes: number): () => void {
    held += bytes;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      held -= bytes;
      admit();
    };
  }

  const tryTake = (bytes: number) => (waiting.length === 0 && fits(bytes) ? enter(bytes) : undefined);

  return {
    tryTake,
    async take(bytes, signal) {
      if (signal.aborted) return undefined;
      const entered = tryTake(bytes);
      if (entered) return entered;
      return await new Promise((resolve) => {
        const leave = () => {
          waiting = waiting.filter((other) => other !== own);
          resolve(undefined);
          // It may have been the one that the others waited behind.
          if (waiting.length === 0) for (const callback of callbacks) callback();
          else admit();
        };
        const own: Waiting = {
          bytes,
          enter() {
            signal.removeEventListener("abort", leave);
            resolve(enter(bytes));
          },
        };
        waiting.push(own);
        signal.addEventListener("abort", leave, { once: true });
      });
    },
    isFull: () => waiting.length > 0,
    onFree: (callback) => void callbacks.push(callback),
  };
}
