/** Day partitions of finished runs and of logs: made ahead, dropped after the retention. UTC days. */
import { type RawBuilder, sql } from "kysely";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";
import type { Db, Store } from "./database.ts";

const DAY_MS = 86_400_000;
const AHEAD_DAYS = 14;
const PARTITIONED = ["task_runs", "task_logs"] as const;
/**
 * To analyze a table anew for each herd takes longer than the herd; `tasks` and `events` have the same. Runs are analyzed
 * early: lists of them would be sorted where a namespace is not known to have most of them.
 */
const STORAGE = { task_runs: sql``, task_logs: sql`WITH (autovacuum_analyze_threshold = 25000)` };

interface WantedPartition {
  table: (typeof PARTITIONED)[number];
  name: string;
  from: Date;
  to: Date;
}

/** Those of yesterday to so many days ahead. */
function wantedPartitions(now: Date, aheadDays = AHEAD_DAYS): WantedPartition[] {
  return Array.from({ length: aheadDays + 2 }, (_, index) => {
    const from = startOfDay(now.getTime() + (index - 1) * DAY_MS);
    const to = new Date(from.getTime() + DAY_MS);
    return PARTITIONED.map((table) => ({ table, name: partitionName(table, from), from, to }));
  }).flat();
}

/** A condition: all that `ensurePartitions` would make are there, or those of the next days. */
export function partitionsStand(now: Date, aheadDays = AHEAD_DAYS): RawBuilder<boolean> {
  const names = wantedPartitions(now, aheadDays).map(({ name }) => name);
  return sql<boolean>`(
    SELECT count(*) = ${names.length} FROM pg_class
    WHERE relname = ANY(${names}) AND relispartition
      AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'task_runs'::regclass))`;
}

/** Makes the partitions of yesterday to two weeks ahead; those that exist stay. Where all do, one statement says so. */
export async function ensurePartitions(db: Db, now: Date): Promise<void> {
  const { rows } = await sql<{ stand: boolean }>`SELECT ${partitionsStand(now)} AS stand`.execute(db);
  if (rows[0]!.stand) return;
  for (const table of PARTITIONED) await ensurePartitionsOf(table, db, now);
}

/** A transaction for each table: others take both of them, in any order, and would wait for this one, and it for them. */
async function ensurePartitionsOf(parent: string, db: Db, now: Date): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(${ADVISORY_LOCKS.makePartitions})`.execute(tx);
    // A long reader keeps the parent's lock from us, and whoever asks after us waits behind: better to try again later.
    await sql`SET LOCAL lock_timeout = '2s'`.execute(tx);
    const present = new Set((await listPartitions(tx)).map(({ name }) => name));
    const unmeasured = await listUnmeasured(tx, parent);
    for (const { table, name, from, to } of wantedPartitions(now)) {
      if (table !== parent || present.has(name)) continue;
      const bounds = sql`FROM (${sql.lit(from.toISOString())}) TO (${sql.lit(to.toISOString())})`;
      const partition = sql.table(name);
      await sql`
        CREATE TABLE ${partition} PARTITION OF ${sql.table(table)} FOR VALUES ${bounds} ${STORAGE[table]}`.execute(
        tx,
      );
      if (unmeasured.length === 0) continue;
      const actions = unmeasured.map((column) => sql`ALTER COLUMN ${sql.ref(column)} SET STATISTICS 0`);
      await sql`ALTER TABLE ${partition} ${sql.join(actions)}`.execute(tx);
    }
  });
}

/** The columns that a table keeps no statistics of. PostgreSQL does not pass that on to a new partition. */
async function listUnmeasured(db: Db, table: string): Promise<string[]> {
  const { rows } = await sql<{ column: string }>`SELECT attname AS column FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped AND attstattarget = 0
    ORDER BY attnum`.execute(db);
  return rows.map(({ column }) => column);
}

/**
 * Drops whole days older than the retention, one caller at a time, and gives up quickly when locked. What an earlier
 * pass left half done is completed first: Postgres allows one such a table.
 */
export async function dropExpiredPartitions(
  store: Store,
  now: Date,
  retentionDays: number,
): Promise<string[]> {
  const oldestKept = startOfDay(now.getTime() - retentionDays * DAY_MS);
  const sessions = await store.findSessions();
  return sessions ? await dropInSession(sessions.db, oldestKept) : await dropOneByOne(store.db, oldestKept);
}

/** Detached first, without blocking readers: no transaction may do that, so lock and patience are the session's. */
async function dropInSession(db: Db, oldestKept: Date): Promise<string[]> {
  return await db.connection().execute(async (connection) => {
    if (!(await tryLock(connection))) return [];
    try {
      await sql`SET lock_timeout = '2s'`.execute(connection);
      const dropped: string[] = [];
      for (const partition of await listExpired(connection, oldestKept)) {
        if (partition.stage === "attached") await sql`${detach(partition)} CONCURRENTLY`.execute(connection);
        await finishDrop(connection, partition);
        dropped.push(partition.name);
      }
      return dropped;
    } finally {
      await sql`RESET lock_timeout`.execute(connection);
      await sql`SELECT pg_advisory_unlock(${ADVISORY_LOCKS.dropPartitions})`.execute(connection);
    }
  });
}

/** Through a pooler in transaction mode: a transaction for each. Who comes behind it waits as long as it does. */
async function dropOneByOne(db: Db, oldestKept: Date): Promise<string[]> {
  const dropped: string[] = [];
  for (;;) {
    const name = await db.transaction().execute(async (tx) => {
      const { rows } = await sql<{ got: boolean }>`
        SELECT pg_try_advisory_xact_lock(${ADVISORY_LOCKS.dropPartitions}) AS got`.execute(tx);
      const [partition] = rows[0]!.got ? await listExpired(tx, oldestKept) : [];
      if (!partition) return undefined;
      await sql`SET LOCAL lock_timeout = '500ms'`.execute(tx);
      if (partition.stage === "attached") await detach(partition).execute(tx);
      await finishDrop(tx, partition);
      return partition.name;
    });
    if (name === undefined) return dropped;
    dropped.push(name);
  }
}

async function tryLock(connection: Db): Promise<boolean> {
  const { rows } = await sql<{
    got: boolean;
  }>`SELECT pg_try_advisory_lock(${ADVISORY_LOCKS.dropPartitions}) AS got`.execute(connection);
  return rows[0]!.got;
}

const detach = ({ table, name }: Partition) =>
  sql`ALTER TABLE ${sql.table(table)} DETACH PARTITION ${sql.table(name)}`;

async function finishDrop(db: Db, partition: Partition): Promise<void> {
  if (partition.stage === "detaching") await sql`${detach(partition)} FINALIZE`.execute(db);
  await sql`DROP TABLE ${sql.table(partition.name)}`.execute(db);
}

async function listExpired(db: Db, oldestKept: Date): Promise<Partition[]> {
  return (await listPartitions(db)).filter(({ day }) => parseDay(day) < oldestKept);
}

interface Partition {
  table: string;
  name: string;
  /** YYYYMMDD. */
  day: string;
  /** `detaching` and `detached` are what an interrupted pass leaves behind. */
  stage: "attached" | "detaching" | "detached";
}

/** The days of both tables, those that are being detached first, then the oldest. */
async function listPartitions(db: Db): Promise<Partition[]> {
  const { rows } = await sql<Partition>`
    SELECT left(c.relname, -9) AS table, c.relname AS name, right(c.relname, 8) AS day,
      CASE WHEN i.inhdetachpending THEN 'detaching' WHEN i.inhrelid IS NULL THEN 'detached' ELSE 'attached' END AS stage
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relkind = 'r' AND c.relname ~ '^(task_runs|task_logs)_[0-9]{8}$'
      AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'task_runs'::regclass)
    ORDER BY coalesce(i.inhdetachpending, false) DESC, day, name`.execute(db);
  return rows;
}

function partitionName(table: string, day: Date): string {
  return `${table}_${day.toISOString().slice(0, 10).replaceAll("-", "")}`;
}

function parseDay(digits: string): Date {
  return new Date(`${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}T00:00:00Z`);
}

function startOfDay(epochMs: number): Date {
  return new Date(Math.floor(epochMs / DAY_MS) * DAY_MS);
}
