/**
 * Keys that streams are open with, looked at again and again, all of them by one statement: a stream ends with its key.
 * States: idle (no key is watched) → waiting → looking → waiting … → idle. A bell cuts the waiting short; one that comes
 * while it looks has it look once more.
 */
import type { Clock } from "../../core/clock.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { findValidHashes, hashKey } from "../../core/store/keys.ts";
import type { Listener } from "../../core/store/listen.ts";

/** How often, where no bell says that one was revoked. */
export const LOOK_EVERY_MS = 500;
/** A look that has no answer by then is given up, and the next one goes by another connection. */
export const LOOK_TIMEOUT_MS = 1_000;

export interface KeyWatch {
  /** Calls `onInvalid` once the key is not valid any more; what it answers is called by who does not care any longer. */
  watch(key: string, onInvalid: () => void): () => void;
}

export interface KeyWatchParts {
  store: QueryScope;
  clock: Clock;
  listener: Pick<Listener, "on">;
  /** The keys could not be looked at; they are soon looked at again. */
  onError(error: unknown): void;
}

interface Watched {
  hash: Buffer;
  /** What is to be called, each once. */
  callbacks: Set<() => void>;
}

export function createKeyWatch({ store, clock, listener, onError }: KeyWatchParts): KeyWatch {
  const watched = new Map<string, Watched>();
  let isLooking = false;
  /** A bell rang during the look: what it tells of may have come too late for that. */
  let isRung = false;
  let stopWaiting = () => {};

  async function look(): Promise<void> {
    isRung = isLooking;
    if (isLooking || watched.size === 0) return;
    stopWaiting();
    isLooking = true;
    const asked = [...watched];
    try {
      const valid = await findValidHashes(
        store,
        asked.map(([, { hash }]) => hash),
        LOOK_TIMEOUT_MS,
      );
      const known = new Set(valid.map((hash) => hash.toString("base64")));
      for (const [key, { callbacks }] of asked) {
        if (known.has(key)) continue;
        watched.delete(key);
        for (const onInvalid of callbacks) onInvalid();
      }
    } catch (error) {
      // No stream ends for that: a database that is away shows nobody anything meanwhile.
      onError(error);
    } finally {
      isLooking = false;
      if (isRung) void look();
      else wait();
    }
  }

  function wait(): void {
    stopWaiting();
    stopWaiting = watched.size === 0 ? () => {} : clock.after(LOOK_EVERY_MS, () => void look());
  }

  void listener.on("bellhop_keys", () => void look());
  return {
    watch(key, onInvalid) {
      const hash = hashKey(key);
      const name = hash.toString("base64");
      const entry = watched.get(name) ?? { hash, callbacks: new Set() };
      const callback = () => onInvalid();
      entry.callbacks.add(callback);
      const isFirst = watched.size === 0;
      watched.set(name, entry);
      if (isFirst && !isLooking) wait();
      return () => {
        entry.callbacks.delete(callback);
        if (entry.callbacks.size === 0 && watched.get(name) === entry) watched.delete(name);
        if (watched.size === 0) stopWaiting();
      };
    },
  };
}
