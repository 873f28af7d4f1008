import { type Kysely, sql } from "kysely";

/**
 * Tasks, events and lines are analyzed when more has come than one herd. No statistics are made of JSON that no
 * condition compares, here or in runs. In a young database ANALYZE took as long as claiming the runs
 * (docs/performance.md). Finished runs are analyzed early still, for the order of their lists.
 *
 * Days that are over do not change, so they are not analyzed again and keep what they have: their lock, which whoever
 * builds an index there or vacuums may hold for an hour, is not waited for. Open runs keep theirs: few rows that change
 * often.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const { name, parent } of await listGrowing(db)) {
    if (parent !== "task_runs")
      await sql`ALTER TABLE ${sql.table(name)} SET (autovacuum_analyze_threshold = 25000)`.execute(db);
    await setStatistics(db, name, parent, "0");
  }
  for (const parent of PARTITIONED) await setStatistics(db, parent, parent, "0");
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const { name, parent } of await listGrowing(db)) {
    if (parent !== "task_runs")
      await sql`ALTER TABLE ${sql.table(name)} RESET (autovacuum_analyze_threshold)`.execute(db);
    await setStatistics(db, name, parent, "-1");
  }
  for (const parent of PARTITIONED) await setStatistics(db, parent, parent, "-1");
}

const PARTITIONED = ["task_runs", "task_logs"];

/** Those that have a value in every row, or a large one. Of others a condition asks whether there is one. */
const JSON_COLUMNS: Record<string, string[]> = {
  tasks: ["spec", "schedule", "retry", "policy", "labels"],
  task_runs: ["input", "result", "attempts"],
  task_logs: ["fields"],
  events: ["data"],
};

async function setStatistics(
  db: Kysely<unknown>,
  table: string,
  parent: string,
  target: "0" | "-1",
): Promise<void> {
  const actions = JSON_COLUMNS[parent]!.map((column) => `ALTER COLUMN ${column} SET STATISTICS ${target}`);
  // ONLY: what is set of a partitioned table would be set of every day, and of open runs.
  await sql.raw(`ALTER TABLE ONLY ${table} ${actions.join(", ")}`).execute(db);
}

interface Growing {
  name: string;
  /** Itself, or the table that it is a day of. */
  parent: string;
}

async function listGrowing(db: Kysely<unknown>): Promise<Growing[]> {
  const { rows } = await sql<Growing>`SELECT c.relname AS name, left(c.relname, -9) AS parent
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('task_runs'::regclass, 'task_logs'::regclass) AND NOT i.inhdetachpending
      AND c.relname ~ '_[0-9]{8}$'
      AND right(c.relname, 8) >= to_char(statement_timestamp() AT TIME ZONE 'UTC' - interval '1 day', 'YYYYMMDD')
    ORDER BY 1`.execute(db);
  return [{ name: "tasks", parent: "tasks" }, { name: "events", parent: "events" }, ...rows];
}
