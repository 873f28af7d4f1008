/** A migrated database of its own for one test file. */
import { after } from "node:test";
import { sql } from "kysely";
import { systemClock } from "../../clock.ts";
import { type Db, openStore, type Store } from "../database.ts";
import { settleEvents } from "../events/read.ts";
import { newId } from "../ids.ts";
import { ensureNamespace } from "../keys.ts";
import { migrateUp } from "../migrate.ts";

export interface TestStore {
  store: Store;
  db: Db;
  url: string;
  /** A namespace nobody else knows. */
  newNamespace(): Promise<string>;
  /** Deletes tasks, runs, logs and workers: what one test must not find of another. */
  clear(): Promise<void>;
}

/** The store is closed and its database dropped after the last test of the file. */
export async function openTestStore(
  createDatabase: () => Promise<{ url: string; drop(): Promise<void> }>,
): Promise<TestStore> {
  const database = await createDatabase();
  const store = openStore({
    databaseUrl: database.url,
    applicationName: "bellhop-test",
    maxConnections: 10,
    onError: () => {},
  });
  after(async () => {
    await store.close();
    await database.drop();
  });
  const { db } = store;
  await migrateUp(store);
  return {
    store,
    db,
    url: database.url,
    newNamespace: () => ensureNamespace(db, `n${newId()}`),
    async clear() {
      for (const table of [
        "task_logs",
        "task_runs",
        "tasks",
        "workers",
        "waiting_callers",
        "returned_permits",
      ] as const) {
        await sql`DELETE FROM ${sql.table(table)}`.execute(db);
      }
      await sql`UPDATE run_limits SET permits_held = 0, has_waiting = false`.execute(db);
    },
  };
}

/**
 * Resolves when what was committed before is there for readers of events and for the count of errors: neither reads past
 * the oldest transaction of the whole server, which may be one of another test.
 */
export const untilEventsSettled = (store: Store): Promise<void> => settleEvents(store, systemClock, 60_000);

/** Resolves when as many statements of this database wait for a lock. */
export async function untilBlocked({ pool }: Pick<Store, "pool">, count = 1): Promise<void> {
  await until(async () => {
    const { rowCount } = await pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rowCount! >= count || undefined;
  });
}

const LOOK_AGAIN_MS = { least: 10, most: 50 };

/**
 * Resolves with the first answer that is not undefined: for what another connection brings about. The longer it takes the
 * less often it looks: a look is work for those who are waited for, and for whoever is tested beside.
 */
export async function until<T>(look: () => Promise<T | undefined>, patienceMs = 120_000): Promise<T> {
  for (const startedAt = Date.now(); ; ) {
    const seen = await look();
    if (seen !== undefined) return seen;
    const waitedMs = Date.now() - startedAt;
    if (waitedMs > patienceMs) throw new Error("what was waited for did not come about");
    const pauseMs = Math.min(Math.max(waitedMs / 20, LOOK_AGAIN_MS.least), LOOK_AGAIN_MS.most);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
