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
   * runs as there are slots are recorded outside them, and of those as many as hold less than `MOST_RECORDING_BYTES`.
   * The others keep their slots, so that nothing piles up, until one outside is recorded and leaves them its place.
   * @param bytes that the run keeps in memory until it is recorded
   */
  beginRecording(bytes: number): () => void;
  /** Calls back after slots were taken. */
  onTake(callback: () => void): void;
  /** Calls back after slots were given back. */
  onFree(callback: () => void): void;
  /** Resolves when no run is in work. */
  whenIdle(): Promise<void>;
}

/** That runs outside the slots keep in memory together; a single one may be larger. */
export const MOST_RECORDING_BYTES = 8_000_000;

interface EndedRun {
  bytes: number;
}

/** @param room while it is full no slot is free */
export function createSlots(total: number, room?: Pick<InputRoom, "isFull" | "onFree">): Slots {
  let free = total;
  let mostInWork = 0;
  /** Runs that have ended, and have no slot any more; and what they keep. */
  let recording = 0;
  let recordingBytes = 0;
  /** Those that have ended and keep their slots, the first to end first. */
  const keeping = new Set<EndedRun>();
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

  const mayLeave = ({ bytes }: EndedRun) =>
    recording === 0 || (recording < total && recordingBytes + bytes <= MOST_RECORDING_BYTES);

  function leaveSlot(run: EndedRun): void {
    recording += 1;
    recordingBytes += run.bytes;
    release(1);
  }

  /** One after another: a large one is not overtaken for ever by small ones. */
  function leaveInTurn(): void {
    for (const run of keeping) {
      if (!mayLeave(run)) return;
      keeping.delete(run);
      leaveSlot(run);
    }
  }

  function endRecording(run: EndedRun): void {
    if (keeping.delete(run)) release(1);
    else {
      recording -= 1;
      recordingBytes -= run.bytes;
    }
    if (keeping.size > 0) leaveInTurn();
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
    beginRecording(bytes) {
      const run = { bytes };
      if (keeping.size === 0 && mayLeave(run)) leaveSlot(run);
      else keeping.add(run);
      return () => endRecording(run);
    },
    onTake: (callback) => void takeCallbacks.push(callback),
    onFree(callback) {
      callbacks.push(callback);
      room?.onFree(callback);
    },
    whenIdle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => void idleWaiters.push(resolve))),
  };
}
