import type { buildConnector } from "undici";
import { Client, type Dispatcher, Pool } from "undici";
import { EgressError, rulesChanged } from "./egress-error.ts";
import { type InterimResponses, skipInterimResponses } from "./interim-responses.ts";
import { PendingExchange } from "./pending-exchange.ts";
import type { EgressRules } from "./tenant-rules.ts";

export interface PoolLimits {
  /** Kept pools; the one unused for longest makes room. */
  maxOrigins: number;
  /** Of one tenant: beyond them its own make room, not another's. */
  maxOriginsPerTenant: number;
  connectionsPerOrigin: number;
  /** Beyond so many connections of a tenant, over all origins, each is closed after its answer. */
  keptConnectionsPerTenant: number;
}

/** The most that a server may ask for; undici's own would be ten minutes. Without a word of it, four seconds. */
const MAX_KEEP_ALIVE_MS = 30_000;

/** What pools and their connections are opened by. */
export interface PoolParts {
  /**
   * Throws where the rules refuse the URL's origin. Asked before a pool is opened for origin, rules and tenant; its
   * connections are judged by address alone.
   */
  judge(url: URL, rules: EgressRules): void;
  connectBy(rules: EgressRules): buildConnector.connector;
}

/** Kept-alive connections by origin and tenant, least recently used first. */
export interface Pools {
  /**
   * Throws what `judge` throws, and then keeps nothing for the URL's origin.
   * @param url of its origin alone
   * @param rules what its pool is judged and its connections are made by; those of other rules are not used again
   * @param tenant those who share connections; default: all that name none
   */
  get(url: URL, rules: EgressRules, tenant?: string): Dispatcher;
  /** Ends every connection at once. */
  destroy(): Promise<void>;
}

/** One connection after another to an origin. It tells each exchange whether its own has carried another before. */
type TellingClient = InstanceType<ReturnType<typeof defineTellingClient>>;

let KnownTellingClient: ReturnType<typeof defineTellingClient> | undefined;

function openTellingClient(origin: URL, options: TellingOptions, state: PoolState): TellingClient {
  KnownTellingClient ??= defineTellingClient();
  return new KnownTellingClient(origin, options, state);
}

/** With the first connection: a worker starts without undici. */
function defineTellingClient() {
  return class TellingClient extends Client {
    readonly #state: PoolState;
    #carried = 0;
    #interim: InterimResponses | undefined;

    constructor(origin: URL, { connect, ...options }: TellingOptions, state: PoolState) {
      super(origin, {
        ...options,
        connect: (target, callback) =>
          connect(target, (...result) => {
            const [, socket] = result;
            if (socket) this.#interim = skipInterimResponses(socket);
            callback(...result);
          }),
      });
      this.#state = state;
      this.on("connect", () => {
        this.#carried = 0;
      });
    }

    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      if (handler instanceof PendingExchange) {
        handler.onConnection(() => {
          this.#interim?.expect();
          return { isReused: this.#carried++ > 0, isOutdated: this.#state.isOutdated };
        });
      }
      return super.dispatch(options, handler);
    }
  };
}

interface PoolState {
  /** Its rules hold no longer: what has not begun is not sent. */
  isOutdated: boolean;
}

type TellingOptions = Omit<Client.Options, "connect"> & { connect: buildConnector.connector };

interface Kept {
  tenant: string;
  rules: EgressRules;
  state: PoolState;
  pool: Pool;
  dispatcher: Dispatcher;
}

export function createPools({ judge, connectBy }: PoolParts, limits: PoolLimits): Pools {
  const connectors = new WeakMap<EgressRules, buildConnector.connector>();
  const kept = new Map<string, Kept>();
  const origins = new Map<string, number>();
  const connections = new Map<string, number>();
  const leaving = new Set<Pool>();
  /** The last of `kept`, which needs no new place. */
  let newest: string | undefined;
  let isClosed = false;

  const evict = (key: string, { tenant, pool }: Kept) => {
    kept.delete(key);
    add(origins, tenant, -1);
    leaving.add(pool);
    // Its requests in flight still end well.
    void pool.close().finally(() => leaving.delete(pool));
  };

  const evictOldest = (isOne: (one: Kept) => boolean) => {
    for (const [key, one] of kept) if (isOne(one)) return evict(key, one);
  };

  const connectorOf = (rules: EgressRules): buildConnector.connector => {
    const connect = connectors.get(rules) ?? connectBy(rules);
    connectors.set(rules, connect);
    return connect;
  };

  const connectFor =
    (tenant: string, connect: buildConnector.connector, state: PoolState): buildConnector.connector =>
    (options, callback) => {
      if (state.isOutdated) {
        queueMicrotask(() => callback(rulesChanged(options.hostname), null));
        return;
      }
      // From its beginning: many are opened before the first one is open.
      add(connections, tenant, 1);
      connect(options, (...result) => {
        const [, socket] = result;
        if (socket) socket.once("close", () => add(connections, tenant, -1));
        else add(connections, tenant, -1);
        callback(...result);
      });
    };

  const open = (origin: string, rules: EgressRules, tenant: string): Kept => {
    const state: PoolState = { isOutdated: false };
    // No timeouts here: every request has its caller's signal.
    const pool = new Pool(origin, {
      connect: connectFor(tenant, connectorOf(rules), state),
      factory: (of, options) => openTellingClient(of, options as TellingOptions, state),
      connections: limits.connectionsPerOrigin,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const isCrowded = () => (connections.get(tenant) ?? 0) >= limits.keptConnectionsPerTenant;
    const dispatcher = pool.compose(
      (dispatch) => (options, handler) =>
        dispatch(isCrowded() ? { ...options, reset: true } : options, handler),
    );
    return { tenant, rules, state, pool, dispatcher };
  };

  return {
    get(url, rules, tenant = "") {
      if (isClosed) throw closed();
      const { origin } = url;
      // An origin holds no space.
      const key = `${origin} ${tenant}`;
      let one = kept.get(key);
      if (one && one.rules !== rules) {
        one.state.isOutdated = true;
        evict(key, one);
        one = undefined;
      }
      if (one) {
        if (key === newest) return one.dispatcher;
        kept.delete(key);
      } else {
        judge(url, rules);
        if (tenant !== "" && (origins.get(tenant) ?? 0) >= limits.maxOriginsPerTenant) {
          evictOldest((other) => other.tenant === tenant);
        }
        if (kept.size >= limits.maxOrigins) evictOldest(() => true);
        one = open(origin, rules, tenant);
        add(origins, tenant, 1);
      }
      kept.set(key, one);
      newest = key;
      return one.dispatcher;
    },

    async destroy() {
      isClosed = true;
      const all = [...[...kept.values()].map(({ pool }) => pool), ...leaving];
      kept.clear();
      origins.clear();
      await Promise.all(all.map((pool) => pool.destroy(closed())));
    },
  };
}

const closed = () => new EgressError("aborted", "Egress was closed.");

function add(counts: Map<string, number>, tenant: string, count: number): void {
  const left = (counts.get(tenant) ?? 0) + count;
  if (left > 0) counts.set(tenant, left);
  else counts.delete(tenant);
}
