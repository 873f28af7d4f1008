/**
 * The pools of a role, and what a function of the store is given of them. In `runs/` and `tasks/` its first parameter
 * tells whether it can be part of somebody's transaction:
 *
 * - `QueryScope`: it can. It is one statement, which goes to the pool or to the transaction's connection: by
 *   `scope.pool`, with a fixed text and mostly a name, or by `scope.db` where it is put together from what was asked.
 * - `Store`: it cannot. It opens a transaction of its own (`inTransaction`), is one that may be done once more
 *   (`retryDeadlock`), or needs a pool that is not the common one.
 *
 * What is only a step of a transaction, such as taking a lock, asks for a `Transaction`. Nothing there takes a `Db` alone,
 * but for the walks of filtered lists (walk.ts), all of which read in one. Elsewhere a `Db` is a pool or a transaction alike.
 */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { createFittedPools } from "./fitted-pool.ts";
import type { Pooling } from "./pooling.ts";
import type { Database } from "./schema.ts";
import { PLAN_KEPT_MS, PLANNED_SESSION, SESSION } from "./session-settings.ts";
import { TYPES } from "./timestamps.ts";

export type Db = Kysely<Database>;

/** Where statements go: to the common pool, or to the connection of a transaction. */
export interface QueryScope {
  /** For statements put together from parts: a filter, a patch. */
  db: Db;
  /** For a fixed text: prepared once per connection by its name, where it has one. */
  pool: pg.Pool | pg.PoolClient;
}

export interface Store extends QueryScope {
  pool: pg.Pool;
  /** The same for what happens to every run, by plans that are right whatever the tables hold: planned once per connection. */
  plannedPool: pg.Pool;
  plannedDb: Db;
  /**
   * Connections apart, for leases: renewing and judging them does not wait behind statements that hang, and is given up
   * soon on a connection that hangs itself. A worker's first ones go by others (runtime/heartbeat.ts).
   */
  leaseDb: Db;
  leasePool: pg.Pool;
  /** That soon. */
  leaseTimeoutMs: number;
  /** How long who waits longest for a connection of `pool` has waited; 0: nobody waits. */
  longestWaitMs(): number;
  /** What stands before the server. */
  findPooling(): Promise<Pooling>;
  /**
   * For what a session holds from one transaction to the next, such as a lock. Undefined where only a pooler in
   * transaction mode can be reached.
   */
  findSessions(): Promise<Sessions | undefined>;
  /** Where sessions are, if they can be had. */
  sessionUrl: string;
  close(): Promise<void>;
}

export interface Sessions {
  db: Db;
  pool: pg.Pool;
}

export interface StoreSettings {
  databaseUrl: string;
  /** Past a pooler in transaction mode, where there is one: for what needs a session. */
  directUrl?: string | undefined;
  /** Seen in pg_stat_activity. */
  applicationName: string;
  maxConnections: number;
  /** Of the leases that are renewed through it; default 15 s. */
  leaseMs?: number | undefined;
  onError(error: Error): void;
}

/** As many as statements that make tasks are under way at once: two of single ones, two of many (tasks/create.ts). */
const PLANNED_CONNECTIONS = 4;
const LEASE_CONNECTIONS = 2;
/** A renewal that has no answer by then is sent anew on another connection, before the lease runs out. */
const LEASE_TIMEOUT_MS = { least: 2_000, most: 5_000 };
/** A lock, and a partition that is being dropped. */
const DIRECT_CONNECTIONS = 2;

/** Opens a pool; nothing is connected before the first statement. */
export function openStore(settings: StoreSettings): Store {
  const { databaseUrl, directUrl, maxConnections } = settings;
  let closing = false;
  // A server that stops may still end a connection which is just saying goodbye.
  const report = (error: Error) => {
    if (!closing) settings.onError(error);
  };
  const openPools = (connectionString: string) =>
    createFittedPools({
      connectionString,
      application_name: settings.applicationName,
      connectionTimeoutMillis: 10_000,
      idleTimeoutMillis: 30_000,
      query_timeout: 65_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      types: TYPES,
    });
  const watch = <P extends pg.Pool>(pool: P): P => {
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on("error", report);
    // So would one that breaks while it is lent out, between two statements of a transaction.
    pool.on("connect", (client) => client.on("error", report));
    return pool;
  };
  const openDb = (pool: pg.Pool): Db => new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });

  const pools = openPools(databaseUrl);
  const pool = watch(pools.open(maxConnections, SESSION));
  const planned = Math.min(PLANNED_CONNECTIONS, maxConnections);
  const plannedPool = watch(pools.open(planned, PLANNED_SESSION, { planKeptMs: PLAN_KEPT_MS }));
  const db = openDb(pool);
  const plannedDb = openDb(plannedPool);
  const { least, most } = LEASE_TIMEOUT_MS;
  const leaseTimeoutMs = Math.min(Math.max((settings.leaseMs ?? most * 3) / 3, least), most);
  const leaseTimeouts = { connectionTimeoutMillis: leaseTimeoutMs, query_timeout: leaseTimeoutMs };
  const leasePool = watch(pools.open(LEASE_CONNECTIONS, SESSION, leaseTimeouts));
  const leaseDb = openDb(leasePool);
  let direct: Promise<Sessions> | undefined;

  async function openDirect(url: string): Promise<Sessions> {
    const directPools = openPools(url);
    const directPool = watch(directPools.open(DIRECT_CONNECTIONS, SESSION));
    const sessions = { pool: directPool, db: openDb(directPool) };
    try {
      demandSessions(await directPools.findPooling());
      return sessions;
    } catch (error) {
      await directPool.end();
      throw error;
    }
  }

  return {
    db,
    pool,
    plannedPool,
    plannedDb,
    leaseDb,
    leasePool,
    leaseTimeoutMs,
    sessionUrl: directUrl ?? databaseUrl,
    longestWaitMs: () => pool.longestWaitMs(),
    findPooling: pools.findPooling,
    async findSessions() {
      if ((await pools.findPooling()).mode !== "transaction") return { db, pool };
      if (directUrl === undefined) return undefined;
      direct ??= openDirect(directUrl).catch((error) => {
        direct = undefined;
        throw error;
      });
      return await direct;
    },
    async close() {
      closing = true;
      const opened = await direct?.catch(() => undefined);
      // Not by what is built on them: Kysely leaves a pool open that it has sent nothing to.
      await Promise.all([pool, plannedPool, leasePool, opened?.pool].map((each) => each?.end()));
    },
  };
}

function demandSessions({ mode }: Pooling): void {
  if (mode === "transaction")
    throw new Error(
      "DATABASE_DIRECT_URL leads to a pooler in transaction mode, too; it must lead to PostgreSQL itself, or be left out",
    );
}
