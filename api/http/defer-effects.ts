import type { ApiParts } from "../environment.ts";

/**
 * The parts, with what tells others held back: they are not to hear of what is not committed. `release` tells it all, in
 * its order, and does what was to come after the commit.
 */
export function deferEffects(parts: ApiParts): { parts: ApiParts; release(): Promise<void> } {
  const { notifier, ringer, ends, callables, queues, daily } = parts;
  const held: (() => void | Promise<void>)[] = [];
  return {
    parts: {
      ...parts,
      notifier: { ...notifier, notify: (...given) => void held.push(() => notifier.notify(...given)) },
      ringer: { ...ringer, ring: (bells) => void held.push(() => ringer.ring(bells)) },
      ends: { ...ends, tell: (runs) => void held.push(() => ends.tell(runs)) },
      callables: { ...callables, forget: (id) => void held.push(() => callables.forget(id)) },
      queues: { ...queues, forget: (...given) => void held.push(() => queues.forget(...given)) },
      daily: { ...daily, counting: (scope, id, make) => daily.counting(scope, id, make, true) },
      async afterCommit(work) {
        held.push(() => parts.afterCommit(work));
      },
    },
    async release() {
      for (const tell of held) await tell();
    },
  };
}
