import { type Kysely, sql } from "kysely";
import { indexDays } from "./index-days.ts";

/** What lists are filtered by (core/store/runs/filter.ts). */
export async function up(db: Kysely<unknown>): Promise<void> {
  await indexDays(db, RUN_INDEXES);
  for (const statement of TASK_INDEXES) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

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
