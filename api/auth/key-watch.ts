/**
 * Keys that streams are open with, looked at again and again, all of them by one statement: a stream ends with its key.
 * States: idle (no key is watched) → waiting → looking → waiting … → idle. A bell cuts the waiting short.
 */
import type { Clock } from "../../core/clock.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { findValidHashes, hashKey } from "../../core/store/keys.ts";
import type { Listener } from "../../core/store/listen.ts";

/** How often, where no bell says that one was revoked. */
export const LOOK_EVERY_MS = 500;

export interface KeyWatch {
  /** Calls `onInvalid` once the key is not valid any more; what it answers is called by who does not care any longer. */
  watch(key: string, onInvalid: () => void): () => void;
}

export interface KeyWatchParts {
  store: QueryScope;
  clock: Clock;
  listener: Pick<Listener, "on">;
}

interface Watched {
  hash: Buffer;
  /** What is to be called, each once. */
  callbacks: Set<() => void>;
}

export function createKeyWatch({ store, clock, listener }: KeyWatchParts): KeyWatch {
  const watched = new Map<string, Watched>();
  let isLooking = false;
  let stopWaiting = () => {};

  async function look(): Promise<void> {
    if (isLooking || watched.size === 0) return;
    stopWaiting();
    isLooking = true;
    const asked = [...watched];
    try {
      const valid = await findValidHashes(
        store,
        asked.map(([, { hash }]) => hash),
      );
      const known = new Set(valid.map((hash) => hash.toString("base64")));
      for (const [key, { callbacks }] of asked) {
        if (known.has(key)) continue;
        watched.delete(key);
        for (const onInvalid of callbacks) onInvalid();
      }
    } catch {
      // A database that is away shows nobody anything meanwhile, and who reads from it tells of that.
    } finally {
      isLooking = false;
      wait();
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
