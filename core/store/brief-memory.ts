/**
 * What is read again and again and changes seldom, kept for a moment: a change takes effect after that moment everywhere, at
 * once where its bell is heard.
 */
import type { Listener } from "./listen.ts";
import type { Channel } from "./notify.ts";

const KEPT_MS = 500;
const MAX_KEPT = 10_000;
/** What was asked for within this time is likely to be asked for again: it is looked up beside what is. */
const LIKELY_MS = 2_000;
const MAX_TOGETHER = 100;

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
  askedMs: number;
}

export interface BriefMemoryParts<Value> {
  load(key: string): Promise<Value | undefined>;
  /**
   * Several at once, by their keys; what is not there, or cannot be had, is left out. With it, who looks for one thing has those looked up
   * beside it that are as old and likely to be asked for again: hundreds cost a few statements, not hundreds.
   */
  loadMany?(keys: string[]): Promise<ReadonlyMap<string, Value>>;
  /** The id by which its bells name it; a bell without ids means all. Undefined: any bell may mean it. */
  idOf(value: Value): string | undefined;
  listener: Pick<Listener, "on">;
  channel: Channel;
  /** Default half a second. */
  keptMs?: number;
  nowMs?(): number;
}

export function createBriefMemory<Value>({
  load,
  loadMany,
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

  function keep(key: string, found: Promise<Value | undefined>, askedMs: number): void {
    const entry: Entry<Value> = {
      ...{ found, askedMs, value: undefined, id: undefined },
      untilMs: nowMs() + keptMs,
    };
    const forget = () => {
      if (kept.get(key) === entry) kept.delete(key);
    };
    found.then((value) => {
      if (value === undefined) return forget();
      entry.value = value;
      entry.id = idOf(value);
    }, forget);
    if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(key, entry);
  }

  /** The oldest are first: each look puts its key last. */
  function refreshLikely(loadAll: NonNullable<BriefMemoryParts<Value>["loadMany"]>, now: number): void {
    const likely = new Map<string, number>();
    for (const [key, { untilMs, askedMs }] of kept) {
      if (untilMs > now || likely.size >= MAX_TOGETHER) break;
      kept.delete(key);
      if (now - askedMs < LIKELY_MS) likely.set(key, askedMs);
    }
    if (likely.size === 0) return;
    const all = loadAll([...likely.keys()]);
    for (const [key, askedMs] of likely) {
      // What is left out is gone, or only its own look can tell what is wrong with it.
      const found = all.then((values) => values.get(key) ?? load(key));
      keep(key, found, askedMs);
    }
  }

  void listener.on(channel, ({ ids, resync }) =>
    forgetWhere((id) => resync || ids.length === 0 || ids.includes(id)),
  );
  return {
    find(key) {
      const known = kept.get(key);
      const now = nowMs();
      if (known && known.untilMs > now) {
        known.askedMs = now;
        return known.found;
      }
      kept.delete(key);
      const found = load(key);
      keep(key, found, now);
      if (loadMany) refreshLikely(loadMany, now);
      return found;
    },
    recall(key) {
      const known = kept.get(key);
      const now = nowMs();
      if (!known || known.untilMs <= now) return undefined;
      known.askedMs = now;
      return known.value;
    },
    forget: (id) => forgetWhere((known) => id === undefined || known === id),
  };
}
