/** Bells where nothing can be heard: whoever listens is told, again and again, to look for itself. */
import type { Clock } from "../clock.ts";
import type { Store } from "./database.ts";
import { type Bell, type Listener, openListener } from "./listen.ts";

/**
 * What would have been heard at once is found this much later at most. A look of an idle worker is one statement on an
 * index; instants that are known ahead are met all the same, for they are staged a second before, or more.
 */
const POLL_MS = 250;

/** Hears bells where a session can be had, else polls. Throws where the store cannot work. */
export async function openBells(
  store: Store,
  clock: Clock,
  onError: (error: unknown) => void,
): Promise<Listener> {
  // Its connection is made while it is found out whether it can be used.
  const opening = openListener(store.sessionUrl, clock, onError);
  // It may fail before anybody waits for it.
  opening.catch(() => {});
  const letGo = () => opening.then((listener) => listener.close()).catch(() => {});
  try {
    if (await store.findSessions()) return await opening;
  } catch (error) {
    void letGo();
    throw error;
  }
  void letGo();
  return pollBells(clock);
}

export function pollBells(clock: Clock): Listener {
  const handlers: ((bell: Bell) => void)[] = [];
  const closed = new AbortController();

  async function poll(): Promise<void> {
    for (;;) {
      await clock.sleep(POLL_MS, closed.signal);
      if (closed.signal.aborted) return;
      for (const handler of handlers) handler({ ids: [], resync: true });
    }
  }

  void poll();
  return {
    async on(_channel, handler) {
      handlers.push(handler);
    },
    isListening: () => !closed.signal.aborted,
    async close() {
      closed.abort();
    },
  };
}
