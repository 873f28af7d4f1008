import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Database } from "./schema.ts";

export type Db = Kysely<Database>;

export interface Store {
  db: Db;
  /** For statements on the hot path: prepared once per connection by their name. */
  pool: pg.Pool;
  /** The same for hot inserts, whose plan is the same whatever the tables hold: planned once per connection as well. */
  insertPool: pg.Pool;
  close(): Promise<void>;
}

/** Where a prepared statement goes: to the pool, or to the connection of a transaction. */
export interface QueryScope {
  pool: pg.Pool | pg.PoolClient;
}

export interface StoreSettings {
  databaseUrl: string;
  /** Seen in pg_stat_activity. */
  applicationName: string;
  maxConnections: number;
  onError(error: Error): void;
}

/**
 * jit costs more than it brings on statements of a millisecond. Each statement is planned for what the tables hold at
 * that moment: a plan kept from before a burst scans, for each run of a batch, all the runs that came since. No scan
 * of a whole table: the planner thinks a batch of ids larger and their table smaller than they are. A process that is
 * frozen inside a transaction must not keep its rows from the others, nor one whose machine is gone its locks.
 */
const SESSION_OPTIONS = [
  "-c jit=off",
  "-c timezone=UTC",
  "-c plan_cache_mode=force_custom_plan",
  "-c enable_seqscan=off",
  "-c idle_in_transaction_session_timeout=5000",
  "-c tcp_keepalives_idle=15",
  "-c tcp_keepalives_interval=5",
  "-c tcp_keepalives_count=3",
].join(" ");

/** Of an insert of a few rows, planning would be most of the work. */
const INSERT_OPTIONS = `${SESSION_OPTIONS} -c plan_cache_mode=force_generic_plan`;
const INSERT_CONNECTIONS = 2;

/** Opens a pool; nothing is connected before the first statement. A statement is given up after a minute. */
export function openStore(settings: StoreSettings): Store {
  let closing = false;
  // A server that stops may still end a connection which is just saying goodbye.
  const report = (error: Error) => {
    if (!closing) settings.onError(error);
  };
  const openPool = (options: string, max: number): pg.Pool => {
    const pool = new pg.Pool({
      connectionString: settings.databaseUrl,
      application_name: settings.applicationName,
      max,
      connectionTimeoutMillis: 10_000,
      idleTimeoutMillis: 30_000,
      statement_timeout: 60_000,
      query_timeout: 65_000,
      options,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on("error", report);
    // So would one that breaks while it is lent out, between two statements of a transaction.
    pool.on("connect", (client) => client.on("error", report));
    return pool;
  };
  const pool = openPool(SESSION_OPTIONS, settings.maxConnections);
  const insertPool = openPool(INSERT_OPTIONS, Math.min(INSERT_CONNECTIONS, settings.maxConnections));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    pool,
    insertPool,
    async close() {
      closing = true;
      await Promise.all([db.destroy(), insertPool.end()]);
    },
  };
}
