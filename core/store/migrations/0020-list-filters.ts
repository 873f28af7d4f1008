import { type Kysely, sql } from "kysely";

/**
 * What lists are filtered by (core/store/runs/filter.ts). Each index of runs is declared on the parent alone: days that
 * are made from now on are born with it, those that hold runs get it one by one (core/store/partition-indexes.ts),
 * without a lock on whoever writes them. The open partition gets none: it is small, and every change in it would pay.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const days = await listEmptyDays(db);
  for (const { name, dayName, on } of RUN_INDEXES) {
    await sql.raw(`CREATE INDEX ${name} ON ONLY task_runs ${on}`).execute(db);
    for (const day of days) {
      await sql.raw(`CREATE INDEX ${day}_${dayName} ON ${day} ${on}`).execute(db);
      await sql.raw(`ALTER INDEX ${name} ATTACH PARTITION ${day}_${dayName}`).execute(db);
    }
  }
  for (const statement of TASK_INDEXES) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
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

/** `dayName`: as Postgres names it where a day is born with it. */
const RUN_INDEXES = [
  {
    name: "task_runs_by_state",
    dayName: "namespace_id_state_id_idx",
    on: "(namespace_id, state, id) WHERE state IN ('failed', 'cancelled', 'skipped', 'expired')",
  },
  {
    name: "task_runs_by_error",
    dayName: "namespace_id_expr_id_idx",
    on: "(namespace_id, (error ->> 'code'), id) WHERE error IS NOT NULL AND finished_at < 'infinity'",
  },
  {
    name: "task_runs_by_function",
    dayName: "function_id_id_idx",
    on: "(function_id, id) WHERE function_id IS NOT NULL AND finished_at < 'infinity'",
  },
  {
    name: "task_runs_by_trigger",
    dayName: "namespace_id_trigger_id_idx",
    on: `(namespace_id, trigger, id)
      WHERE trigger NOT IN ('schedule', 'invoke', 'http', 'hook') AND finished_at < 'infinity'`,
  },
];

const TASK_INDEXES = [
  // In the order of lists.
  "DROP INDEX tasks_by_function",
  "CREATE INDEX tasks_by_function ON tasks (function_id, id) WHERE function_id IS NOT NULL",
  "CREATE INDEX tasks_by_name ON tasks (namespace_id, name, id) WHERE name IS NOT NULL",
  "CREATE INDEX tasks_by_state ON tasks (namespace_id, state, id) WHERE state IN ('paused', 'cancelled')",
];

const DOWN = [
  "DROP INDEX tasks_by_state, tasks_by_name, tasks_by_function",
  "CREATE INDEX tasks_by_function ON tasks (function_id) WHERE function_id IS NOT NULL",
  "DROP INDEX task_runs_by_trigger, task_runs_by_function, task_runs_by_error, task_runs_by_state",
];
