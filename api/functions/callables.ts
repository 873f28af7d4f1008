/**
 * Functions as calls need them, kept for a moment: a change takes effect within half a second everywhere, at once where
 * its bell is heard.
 */
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import type { Listener } from "../../core/store/listen.ts";

const KEPT_MS = 500;
const MAX_KEPT = 10_000;

export interface Callables {
  /** Undefined where there is none. */
  find(namespace: string, name: string): Promise<CallableFunction | undefined>;
}

interface Entry {
  found: Promise<CallableFunction | undefined>;
  id: string | undefined;
  untilMs: number;
}

export function createCallables(
  load: (namespace: string, name: string) => Promise<CallableFunction | undefined>,
  listener: Listener,
  nowMs: () => number = () => performance.now(),
): Callables {
  const kept = new Map<string, Entry>();
  void listener.on("bellhop_functions", ({ ids, resync }) => {
    for (const [key, { id }] of kept) {
      // One that is being looked for may have been read before the change.
      if (resync || ids.length === 0 || id === undefined || ids.includes(id)) kept.delete(key);
    }
  });
  return {
    find(namespace, name) {
      const key = `${namespace}/${name}`;
      const known = kept.get(key);
      if (known && known.untilMs > nowMs()) return known.found;
      kept.delete(key);
      const entry: Entry = { found: load(namespace, name), id: undefined, untilMs: nowMs() + KEPT_MS };
      entry.found.then(
        (fn) => {
          if (fn) entry.id = fn.id;
          else if (kept.get(key) === entry) kept.delete(key);
        },
        () => kept.get(key) === entry && kept.delete(key),
      );
      if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!);
      kept.set(key, entry);
      return entry.found;
    },
  };
}
