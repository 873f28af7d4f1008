/**
 * A store of a process that is killed between two statements: its connections break, and it sends nothing any more. What
 * stood in a transaction is rolled back; a statement that was one by itself stays, and nobody has heard its answer.
 */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { Db, Store } from "../../core/store/database.ts";
import type { Database } from "../../core/store/schema.ts";

export interface MortalStore extends Store {
  /** From now on it sends so many statements, `BEGIN` and `COMMIT` among them, and is killed before the next. */
  liveFor(statements: number): void;
  readonly isDead: boolean;
}

/** @param store whose connections it uses; nobody else does */
export function createMortalStore(store: Store, killer: pg.Pool): MortalStore {
  const lent = new Set<pg.PoolClient>();
  let left = Number.POSITIVE_INFINITY;
  let isDead = false;

  async function die(): Promise<void> {
    isDead = true;
    for (const client of lent)
      await killer.query("SELECT pg_terminate_backend($1, 10000)", [
        (client as unknown as { processID: number }).processID,
      ]);
  }

  async function live(): Promise<void> {
    if (!isDead && left === 0) await die();
    if (isDead) throw new Error("the process was killed");
    left -= 1;
  }

  function openPool(pool: pg.Pool): pg.Pool {
    async function connect(): Promise<pg.PoolClient> {
      const client = await pool.connect();
      lent.add(client);
      const query = async (...asked: [string]) => {
        await live();
        return await client.query(...asked);
      };
      const release = (isBroken?: boolean | Error) => {
        lent.delete(client);
        client.release(isBroken || isDead);
      };
      return Object.create(client, { query: { value: query }, release: { value: release } });
    }
    async function query(...asked: [string]) {
      const client = await connect();
      try {
        return await client.query(...asked);
      } finally {
        client.release();
      }
    }
    return Object.create(pool, { connect: { value: connect }, query: { value: query } });
  }

  const openDb = (pool: pg.Pool): Db => new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  const [pool, plannedPool, leasePool] = [store.pool, store.plannedPool, store.leasePool].map(openPool) as [
    pg.Pool,
    pg.Pool,
    pg.Pool,
  ];
  return {
    ...store,
    ...{ pool, plannedPool, leasePool },
    ...{ db: openDb(pool), plannedDb: openDb(plannedPool), leaseDb: openDb(leasePool) },
    liveFor(statements) {
      left = statements;
    },
    get isDead() {
      return isDead;
    },
  };
}
