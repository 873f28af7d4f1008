/**
 * Indexes that a migration declared on `task_runs` alone (`ON ONLY`), for the days: those made since are born with them,
 * and those that stood then are given theirs here, the newest first, without a lock on whoever writes them. The open
 * partition never gets one, so such an index of the parent is never valid, which is what it is known by.
 *
 * An index of a day: missing → being built (not valid: what an interrupted pass leaves, dropped by the next) → built →
 * attached.
 */
import { sql } from "kysely";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";
import type { Db, Store } from "./database.ts";
import { openUnbounded } from "./unbounded.ts";

const DAY_MS = 86_400_000;

interface MissingIndex {
  /** Of the parent. */
  index: string;
  /** `CREATE INDEX … ON ONLY …` of the parent. */
  definition: string;
  /** The partition, its day as YYYYMMDD. */
  partition: string;
  day: string;
}

/**
 * Builds and attaches what is missing, one caller at a time; answers the names of what it built.
 * @param stopping gives up what is being built: it takes as long as its day is large
 */
export async function completeIndexes(
  store: Store,
  now: Date,
  stopping: AbortSignal = new AbortController().signal,
): Promise<string[]> {
  if (stopping.aborted || (await listMissing(store.db)).length === 0) return [];
  const hasSessions = (await store.findSessions()) !== undefined;
  const { db, close } = openUnbounded(store.sessionUrl);
  try {
    return hasSessions
      ? await buildInSession(db, store.db, stopping)
      : await buildOneByOne(db, now, stopping);
  } finally {
    await close();
  }
}

async function buildInSession(db: Db, otherDb: Db, stopping: AbortSignal): Promise<string[]> {
  const built: string[] = [];
  let end = () => {};
  try {
    await db.connection().execute(async (connection) => {
      // A lock of the session: no transaction may be open while an index is built concurrently. It goes with the session.
      const { rows } = await sql<{ got: boolean; pid: number }>`
        SELECT pg_try_advisory_lock(${ADVISORY_LOCKS.buildIndexes}) AS got, pg_backend_pid() AS pid`.execute(
        connection,
      );
      const { got, pid } = rows[0]!;
      if (!got) return;
      // The session, not its statement: what comes between two of them would go unheard.
      end = () => void sql`SELECT pg_terminate_backend(${pid})`.execute(otherDb).catch(() => {});
      stopping.addEventListener("abort", end);
      await sql`SET statement_timeout = 0`.execute(connection);
      for (const missing of await listMissing(connection)) {
        if (stopping.aborted) return;
        const name = nameOf(missing);
        await sql`DROP INDEX CONCURRENTLY IF EXISTS ${sql.table(name)}`.execute(connection);
        await sql.raw(createIndex(missing, "CONCURRENTLY")).execute(connection);
        await attachPatiently(connection, missing);
        built.push(name);
      }
    });
  } catch (error) {
    if (!stopping.aborted) throw error;
  } finally {
    stopping.removeEventListener("abort", end);
  }
  return built;
}

const ATTACH_TRIES = 5;
const LOCK_NOT_AVAILABLE = "55P03";

/** Whoever plans for the day queues behind this, as this does behind the day's longest statement. */
async function attachPatiently(connection: Db, missing: MissingIndex): Promise<void> {
  await sql`SET lock_timeout = '2s'`.execute(connection);
  for (let left = ATTACH_TRIES; left > 0; left -= 1) {
    try {
      await attach(connection, missing);
      break;
    } catch (error) {
      if (left === 1 || (error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    }
  }
  await sql`SET lock_timeout = 0`.execute(connection);
}

/** Through a pooler in transaction mode, with a lock on the day's writers: for days that nobody writes to any more. */
async function buildOneByOne(db: Db, now: Date, stopping: AbortSignal): Promise<string[]> {
  const yesterday = new Date(now.getTime() - DAY_MS).toISOString().slice(0, 10).replaceAll("-", "");
  const built: string[] = [];
  while (!stopping.aborted) {
    const name = await db.transaction().execute(async (tx) => {
      const { rows } = await sql<{ got: boolean }>`
        SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '500ms', true),
          pg_try_advisory_xact_lock(${ADVISORY_LOCKS.buildIndexes}) AS got`.execute(tx);
      const missing = rows[0]!.got ? await listMissing(tx) : [];
      const past = missing.find(({ day }) => day < yesterday);
      if (!past) return undefined;
      await sql`DROP INDEX IF EXISTS ${sql.table(nameOf(past))}`.execute(tx);
      await sql.raw(createIndex(past)).execute(tx);
      await attach(tx, past);
      return nameOf(past);
    });
    if (name === undefined) break;
    built.push(name);
  }
  return built;
}

/** `task_runs_20261128_by_state` of `task_runs_by_state`. */
const nameOf = ({ index, partition }: MissingIndex) => `${partition}${index.slice("task_runs".length)}`;

function createIndex(missing: MissingIndex, how = ""): string {
  const what = missing.definition.replace(/^CREATE INDEX \S+ ON ONLY \S+ /, "");
  return `CREATE INDEX ${how} ${nameOf(missing)} ON ${missing.partition} ${what}`;
}

async function attach(db: Db, missing: MissingIndex): Promise<void> {
  await sql`ALTER INDEX ${sql.table(missing.index)} ATTACH PARTITION ${sql.table(nameOf(missing))}`.execute(
    db,
  );
}

async function listMissing(db: Db): Promise<MissingIndex[]> {
  const { rows } = await sql<MissingIndex>`
    SELECT c.relname AS index, pg_get_indexdef(c.oid) AS definition, t.relname AS partition, right(t.relname, 8) AS day
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_inherits days ON days.inhparent = i.indrelid AND NOT days.inhdetachpending
    JOIN pg_class t ON t.oid = days.inhrelid AND t.relname ~ '^task_runs_[0-9]{8}$'
    WHERE i.indrelid = 'task_runs'::regclass AND NOT i.indisvalid
      AND NOT EXISTS (SELECT FROM pg_inherits a JOIN pg_index own ON own.indexrelid = a.inhrelid
        WHERE a.inhparent = i.indexrelid AND own.indrelid = t.oid)
    ORDER BY day DESC, index`.execute(db);
  return rows;
}
