/** Day partitions of finished runs and of logs: made ahead, dropped after the retention. UTC days. */
import { sql } from "kysely";
import type { Db } from "./database.ts";

const DAY_MS = 86_400_000;
const AHEAD_DAYS = 14;
const PARTITIONED = ["task_runs", "task_logs"] as const;
const PARTITION_LOCK = 7_236_001;

/** Makes the partitions of yesterday to two weeks ahead; those that exist stay. */
export async function ensurePartitions(db: Db, now: Date): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(${PARTITION_LOCK})`.execute(tx);
    const present = new Set(await listPartitions(tx));
    for (let offset = -1; offset <= AHEAD_DAYS; offset += 1) {
      const from = startOfDay(now.getTime() + offset * DAY_MS);
      const to = new Date(from.getTime() + DAY_MS);
      for (const table of PARTITIONED) {
        const name = partitionName(table, from);
        if (present.has(name)) continue;
        const bounds = sql`FROM (${sql.lit(from.toISOString())}) TO (${sql.lit(to.toISOString())})`;
        await sql`CREATE TABLE ${sql.table(name)} PARTITION OF ${sql.table(table)} FOR VALUES ${bounds}`.execute(
          tx,
        );
      }
    }
  });
}

/** Drops whole days older than the retention. Detached first, without blocking readers; gives up quickly when locked. */
export async function dropExpiredPartitions(db: Db, now: Date, retentionDays: number): Promise<string[]> {
  const oldestKept = startOfDay(now.getTime() - retentionDays * DAY_MS);
  const dropped: string[] = [];
  for (const name of await listPartitions(db)) {
    const [, table, day] = /^(task_runs|task_logs)_(\d{8})$/.exec(name) ?? [];
    if (!table || !day || parseDay(day) >= oldestKept) continue;
    await db.connection().execute(async (connection) => {
      await sql`SET lock_timeout = '2s'`.execute(connection);
      try {
        await sql`ALTER TABLE ${sql.table(table)} DETACH PARTITION ${sql.table(name)} CONCURRENTLY`.execute(
          connection,
        );
        await sql`DROP TABLE ${sql.table(name)}`.execute(connection);
        dropped.push(name);
      } finally {
        await sql`RESET lock_timeout`.execute(connection);
      }
    });
  }
  return dropped;
}

async function listPartitions(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('task_runs'::regclass, 'task_logs'::regclass)`.execute(db);
  return rows.map(({ name }) => name);
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
