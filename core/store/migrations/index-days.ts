/** Indexes of finished runs: see partition-indexes.ts. */
import { type Kysely, sql } from "kysely";

export interface DayIndex {
  name: string;
  /** As Postgres names it where a day is born with it. */
  dayName: string;
  /** What follows the table's name. */
  on: string;
}

/**
 * Declares them on the parent alone: days that are made from now on are born with them, those that hold runs get them one
 * by one (partition-indexes.ts), without a lock on whoever writes them. The open partition gets none: it is small, and
 * every change in it would pay.
 */
export async function indexDays(db: Kysely<unknown>, indexes: readonly DayIndex[]): Promise<void> {
  const days = await listEmptyDays(db);
  for (const { name, dayName, on } of indexes) {
    await sql.raw(`CREATE INDEX ${name} ON ONLY task_runs ${on}`).execute(db);
    for (const day of days) {
      await sql.raw(`CREATE INDEX ${day}_${dayName} ON ${day} ${on}`).execute(db);
      await sql.raw(`ALTER INDEX ${name} ATTACH PARTITION ${day}_${dayName}`).execute(db);
    }
  }
}

/** Those to come, for the most part: nobody waits for an index of theirs. */
async function listEmptyDays(db: Kysely<unknown>): Promise<string[]> {
  const { rows } = await sql<{ day: string }>`SELECT c.relname AS day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'task_runs'::regclass AND NOT i.inhdetachpending AND c.relname ~ '^task_runs_[0-9]{8}$'
      AND pg_relation_size(c.oid) = 0
    ORDER BY 1`.execute(db);
  return rows.map(({ day }) => day);
}
