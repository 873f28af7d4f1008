/**
 * One connection that LISTENs. States: connecting → listening → (lost → connecting …) → closed. After every
 * reconnect each listener is called with `resync: true`: what rang meanwhile is unknown, so look at the tables.
 */
import pg from "pg";
import type { Clock } from "../clock.ts";
import type { Channel } from "./notify.ts";

export interface Bell {
  /** Payload ids; empty where the channel carries none. */
  ids: string[];
  /** True after a reconnect. */
  resync: boolean;
}

export interface Listener {
  /** Resolves once a bell of the channel would be heard, or at once while there is no connection. Never rejects. */
  on(channel: Channel, handler: (bell: Bell) => void): Promise<void>;
  /** Whether a bell would be heard right now. */
  isListening(): boolean;
  close(): Promise<void>;
}

const RETRY_MS = [100, 250, 500, 1_000, 2_000];

export async function openListener(
  databaseUrl: string,
  clock: Clock,
  onError: (error: unknown) => void,
): Promise<Listener> {
  const handlers = new Map<Channel, ((bell: Bell) => void)[]>();
  const closed = new AbortController();
  let client: pg.Client | undefined;
  let asked: Promise<unknown> = Promise.resolve();

  async function connect(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: databaseUrl,
      application_name: "bellhop-listen",
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    fresh.on("error", onError);
    fresh.on("notification", ({ channel, payload }) => {
      const ids = payload ? payload.split(",") : [];
      for (const handler of handlers.get(channel as Channel) ?? []) handler({ ids, resync: false });
    });
    fresh.on("end", () => {
      if (client !== fresh) return;
      client = undefined;
      if (!closed.signal.aborted) void reconnect();
    });
    await fresh.connect();
    for (const channel of handlers.keys()) await fresh.query(`LISTEN ${channel}`);
    if (closed.signal.aborted) return await fresh.end();
    client = fresh;
  }

  async function reconnect(): Promise<void> {
    for (let attempt = 0; !closed.signal.aborted; attempt += 1) {
      await clock.sleep(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]!, closed.signal);
      if (closed.signal.aborted) return;
      try {
        await connect();
        if (closed.signal.aborted) return;
        for (const all of handlers.values()) for (const handler of all) handler({ ids: [], resync: true });
        return;
      } catch (error) {
        onError(error);
      }
    }
  }

  await connect();
  return {
    async on(channel, handler) {
      const known = handlers.get(channel);
      if (known) known.push(handler);
      else handlers.set(channel, [handler]);
      // One after another; twice is the same as once.
      asked = asked.then(() => client?.query(`LISTEN ${channel}`)).catch(onError);
      await asked;
    },
    isListening: () => client !== undefined,
    async close() {
      closed.abort();
      const open = client;
      client = undefined;
      await open?.end().catch(onError);
    },
  };
}
