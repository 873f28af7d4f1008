import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { BellhopError } from "../errors.ts";
import type { Db, QueryScope } from "./database.ts";
import { retryDeadlock } from "./deadlock.ts";
import type { Database } from "./schema.ts";

/** A connection on which a transaction is open: whoever is given it takes part in what is committed. */
export interface Transaction extends QueryScope {
  pool: pg.PoolClient;
  /**
   * Done last of all, in the order given; within another transaction (nested-store.ts) at the end of that one. For rows whose
   * locks nobody is to hold while waiting for another.
   */
  beforeCommit(work: LastWork): void;
}

export type LastWork = (scope: QueryScope) => Promise<void>;

/** A connection that is part of a transaction already, which does the last work when its own end comes. */
interface NestedClient extends pg.PoolClient {
  beforeCommit(work: LastWork): void;
}

const isNested = (client: pg.PoolClient): client is NestedClient => "beforeCommit" in client;

/**
 * Commits what `work` does once it resolves. Where it rejects, nothing stays; with a `BellhopError`, which says no to
 * somebody's request, the connection is kept. After a deadlock `work` is done once more, from its beginning.
 */
export async function inTransaction<T>(pool: pg.Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return await retryDeadlock(() => transact(pool, work));
}

/** What `work` would come to: it is done and taken back. */
export async function tryInTransaction<T>(pool: pg.Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return await retryDeadlock(() => transact(pool, work, "ROLLBACK"));
}

async function transact<T>(
  pool: pg.Pool,
  work: (tx: Transaction) => Promise<T>,
  end: "COMMIT" | "ROLLBACK" = "COMMIT",
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const last: LastWork[] = [];
    const tx = openTransaction(client, last);
    const result = await work(tx);
    for (const finish of last) await finish(tx);
    await client.query(end);
    client.release();
    return result;
  } catch (error) {
    await rollBack(client, error);
    throw error;
  }
}

/** Closing the connection is the rollback that cannot fail. */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<void> {
  const isRolledBack =
    error instanceof BellhopError &&
    (await client.query("ROLLBACK").then(
      () => true,
      () => false,
    ));
  client.release(!isRolledBack);
}

/** Most transactions compose no statement: Kysely is made for those that do. */
function openTransaction(client: pg.PoolClient, last: LastWork[]): Transaction {
  let db: Db | undefined;
  return {
    pool: client,
    beforeCommit: (work) => void (isNested(client) ? client.beforeCommit(work) : last.push(work)),
    get db() {
      db ??= openDbOn(client);
      return db;
    },
  };
}

/** Kysely over a connection that somebody else gives back; it asks of one no more than this. */
function openDbOn(client: pg.PoolClient): Db {
  const lent = { query: client.query.bind(client), release() {} } as unknown as pg.PoolClient;
  const pool = { connect: async () => lent, end: async () => {}, options: {} };
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}
