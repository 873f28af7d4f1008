/** The queue on Postgres alone: LISTEN/NOTIFY is the bell, the table is the queue. */
import type { Listener } from "../store/listen.ts";
import type { Notifier } from "../store/notify.ts";
import { ALWAYS_HEARD } from "./hearing.ts";
import type { BellHandler, QueueTransport } from "./transport.ts";

export function createPostgresTransport(notifier: Notifier, listener: Listener): QueueTransport {
  const handlers = new Set<BellHandler>();
  let listening: Promise<void> | undefined;
  return {
    name: "postgres",
    async ring(bells) {
      if (bells.length > 0) notifier.notify("bellhop_runs");
    },
    async consume(handler) {
      handlers.add(handler);
      listening ??= listener.on("bellhop_runs", () => {
        for (const each of handlers) each.onHint();
      });
      await listening;
      // What rang before anybody listened.
      if (handlers.has(handler)) handler.onHint();
      return {
        hearing: ALWAYS_HEARD,
        async stop() {
          handlers.delete(handler);
        },
      };
    },
    // The rows are the list; there is nobody else to tell.
    async publishDeadLetters() {},
    checkReady() {
      return listener.isListening() ? Promise.resolve() : Promise.reject(new Error("not listening"));
    },
    async close() {
      handlers.clear();
      await notifier.flush();
    },
  };
}
