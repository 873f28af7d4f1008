/**
 * What is read again and again and changes seldom, kept for a moment: a change takes effect after that moment everywhere, at
 * once where its bell is heard.
 */
import type { Listener } from "./listen.ts";
import type { Channel } from "./notify.ts";

const KEPT_MS = 500;
const MAX_KEPT = 10_000;

export interface BriefMemory<Value> {
  /** One look at a time for a key; what is not there, or failed, is looked for again. */
  find(key: string): Promise<Value | undefined>;
  /** What is known right now, without a look. */
  recall(key: string): Value | undefined;
  /** What this process has changed itself: it need not wait for the bell. Without an id: all. */
  forget(id?: string): void;
}

interface Entry<Value> {
  found: Promise<Value | undefined>;
  value: Value | undefined;
  id: string | undefined;
  untilMs: number;
}

export interface BriefMemoryParts<Value> {
  load(key: string): Promise<Value | undefined>;
  /** The id by which its bells name it; a bell without ids means all. */
  idOf(value: Value): string;
  listener: Pick<Listener, "on">;
  channel: Channel;
  /** Default half a second. */
  keptMs?: number;
  nowMs?(): number;
}

export function createBriefMemory<Value>({
  load,
  idOf,
  listener,
  channel,
  keptMs = KEPT_MS,
  nowMs = () => performance.now(),
}: BriefMemoryParts<Value>): BriefMemory<Value> {
  const kept = new Map<string, Entry<Value>>();
  function forgetWhere(isChanged: (id: string) => boolean): void {
    for (const [key, { id }] of kept) {
      // One that is being looked for may have been read before the change.
      if (id === undefined || isChanged(id)) kept.delete(key);
    }
  }

  void listener.on(channel, ({ ids, resync }) =>
    forgetWhere((id) => resync || ids.length === 0 || ids.includes(id)),
  );
  return {
    find(key) {
      const known = kept.get(key);
      if (known && known.untilMs > nowMs()) return known.found;
      kept.delete(key);
      const entry: Entry<Value> = {
        found: load(key),
        value: undefined,
        id: undefined,
        untilMs: nowMs() + keptMs,
      };
      const forget = () => {
        if (kept.get(key) === entry) kept.delete(key);
      };
      entry.found.then((value) => {
        if (value === undefined) return forget();
        entry.value = value;
        entry.id = idOf(value);
      }, forget);
      if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!);
      kept.set(key, entry);
      return entry.found;
    },
    recall(key) {
      const known = kept.get(key);
      return known && known.untilMs > nowMs() ? known.value : undefined;
    },
    forget: (id) => forgetWhere((known) => id === undefined || known === id),
  };
}
