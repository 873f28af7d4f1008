import type { buildConnector } from "undici";
import { Client, type Dispatcher, Pool } from "undici";
import { EgressError } from "./egress-error.ts";
import { PendingExchange } from "./pending-exchange.ts";

export interface PoolLimits {
  /** Kept pools; the one unused for longest makes room. */
  maxOrigins: number;
  connectionsPerOrigin: number;
}

/** Kept-alive connections by origin and tenant, least recently used first. */
export interface Pools {
  /** @param tenant those who share connections; default: all that name none */
  get(origin: string, tenant?: string): Dispatcher;
  /** Ends every connection at once. */
  destroy(): Promise<void>;
}

/** One connection after another to an origin. It tells each exchange whether its own has carried another before. */
class TellingClient extends Client {
  #carried = 0;

  constructor(origin: URL, options: Client.Options) {
    super(origin, options);
    this.on("connect", () => {
      this.#carried = 0;
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (handler instanceof PendingExchange) handler.onConnection(() => this.#carried++ > 0);
    return super.dispatch(options, handler);
  }
}

export function createPools(connect: buildConnector.connector, limits: PoolLimits): Pools {
  const kept = new Map<string, Pool>();
  const leaving = new Set<Pool>();

  const evictOldest = () => {
    for (const [key, pool] of kept) {
      kept.delete(key);
      leaving.add(pool);
      // Its requests in flight still end well.
      void pool.close().finally(() => leaving.delete(pool));
      return;
    }
  };

  return {
    get(origin, tenant = "") {
      // An origin holds no space.
      const key = `${origin} ${tenant}`;
      let pool = kept.get(key);
      if (pool) {
        kept.delete(key);
      } else {
        if (kept.size >= limits.maxOrigins) evictOldest();
        // No timeouts here: every request has its caller's signal.
        pool = new Pool(origin, {
          connect,
          factory: (of, options) => new TellingClient(of, options),
          connections: limits.connectionsPerOrigin,
          allowH2: false,
          headersTimeout: 0,
          bodyTimeout: 0,
        });
      }
      kept.set(key, pool);
      return pool;
    },

    async destroy() {
      const all = [...kept.values(), ...leaving];
      kept.clear();
      await Promise.all(all.map((pool) => pool.destroy(new EgressError("aborted", "Egress was closed."))));
    },
  };
}
