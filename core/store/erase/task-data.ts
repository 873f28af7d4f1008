/**
 * All that is a task's, table by table, in an order in which it can be deleted: runs with what each has left, what names the
 * task, its own row last. A table that is new is to be named here, in quotes.ts, or among those that have nothing of a task
 * (erase.test.ts).
 */
import { eraseQuotes } from "../audit-log.ts";
import type { Transaction } from "../transaction.ts";

/** How many of each kind were erased. */
export type ErasedCounts = Record<string, number>;

export interface ErasedScope {
  bulkId: string;
  namespaceId: string;
}

/** With their log lines: a run may have a thousand. */
const MOST_RUNS = 200;
const MOST_ROWS = 1_000;

/**
 * Finished runs $1 of a namespace $2, with what they have left: lines, events of dead letters and redrives, notes of whom
 * their ends call, captured e-mails, and places at which they could be joined.
 */
const ERASE_RUNS = `
  WITH lines AS (DELETE FROM task_logs WHERE run_id = ANY($1::uuid[]) RETURNING 1),
  told AS (DELETE FROM events WHERE run_id = ANY($1::uuid[]) RETURNING 1),
  noted AS (DELETE FROM run_callbacks WHERE run_id = ANY($1::uuid[]) RETURNING 1),
  mailed AS (DELETE FROM captured_emails WHERE namespace_id = $2 AND run_id = ANY($1::uuid[]) RETURNING 1),
  joined AS (DELETE FROM joinable_runs WHERE namespace_id = $2 AND run_id = ANY($1::uuid[])),
  gone AS (DELETE FROM task_runs WHERE id = ANY($1::uuid[]) AND finished_at < 'infinity' RETURNING 1)
  SELECT (SELECT count(*)::int FROM gone) AS runs, (SELECT count(*)::int FROM lines) AS "logLines",
    (SELECT count(*)::int FROM told) AS events, (SELECT count(*)::int FROM noted) AS callbacks,
    (SELECT count(*)::int FROM mailed) AS emails`;

/** @param kind what the runs are counted as */
export async function eraseEndedRuns(
  { pool }: Transaction,
  { namespaceId }: ErasedScope,
  runIds: readonly string[],
  kind: "runs" | "deliveries" = "runs",
): Promise<ErasedCounts> {
  if (runIds.length === 0) return {};
  const { rows } = await pool.query<ErasedCounts & { runs: number }>(ERASE_RUNS, [runIds, namespaceId]);
  const { runs, ...besides } = rows[0]!;
  return { [kind]: runs, ...besides };
}

/** Finished runs of the tasks: which are erased next. */
export async function findEndedRuns({ pool }: Transaction, taskIds: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id FROM task_runs WHERE task_id = ANY($1::uuid[]) AND finished_at < 'infinity' LIMIT $2",
    [taskIds, MOST_RUNS],
  );
  return rows.map(({ id }) => id);
}

/** Tables of which rows name a task, and as what they are counted. */
const NAMING_A_TASK = {
  run_callbacks: "callbacks",
  expectations: "expectations",
  overrunning_tasks: "overruns",
  task_changes: "taskChanges",
  task_exclusions: "taskExclusions",
  function_hooks: "taskHooks",
} as const;

const deleteNaming = (table: string) => `WITH gone AS (
    DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE task_id = ANY($1::uuid[]) LIMIT $2)) RETURNING 1)
  SELECT count(*)::int AS count FROM gone`;

const DELETE_DEBOUNCED = `WITH gone AS (
    DELETE FROM debounced_tasks WHERE namespace_id = $1 AND task_id = ANY($2::uuid[]) RETURNING 1)
  SELECT count(*)::int AS count FROM gone`;

/** What names the tasks besides their runs: until a table has more than goes at once. Nothing erased: nothing is left. */
export async function eraseNaming(
  tx: Transaction,
  { namespaceId }: ErasedScope,
  taskIds: readonly string[],
): Promise<ErasedCounts> {
  const counts: ErasedCounts = {};
  const add = (kind: string, count: number) => {
    if (count > 0) counts[kind] = (counts[kind] ?? 0) + count;
    return count;
  };
  for (const [table, kind] of Object.entries(NAMING_A_TASK)) {
    const { rows } = await tx.pool.query<{ count: number }>(deleteNaming(table), [taskIds, MOST_ROWS]);
    if (add(kind, rows[0]!.count) === MOST_ROWS) return counts;
  }
  const { rows } = await tx.pool.query<{ count: number }>(DELETE_DEBOUNCED, [namespaceId, taskIds]);
  add("debouncedTasks", rows[0]!.count);
  const resources = taskIds.map((id) => `tasks/${id}`);
  add("auditEntries", await eraseQuotes(tx, namespaceId, resources, MOST_ROWS));
  return counts;
}

const ERASE_TASKS = `
  WITH gone AS (DELETE FROM tasks WHERE id = ANY($1::uuid[]) AND namespace_id = $2 RETURNING id), kept AS (
    INSERT INTO erased_tasks (bulk_id, task_id, namespace_id) SELECT $3, id, $2::uuid FROM gone
    ON CONFLICT DO NOTHING)
  SELECT count(*)::int AS count FROM gone`;

/** The tasks' own rows. Their ids stay for what quotes them; see quotes.ts. */
export async function eraseTasks(
  { pool }: Transaction,
  { namespaceId, bulkId }: ErasedScope,
  taskIds: readonly string[],
): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(ERASE_TASKS, [taskIds, namespaceId, bulkId]);
  return rows[0]!.count;
}

/** Tables that rows are taken from here. */
export const ERASED_WITH_TASKS: readonly string[] = [
  ...Object.keys(NAMING_A_TASK),
  ...["tasks", "task_runs", "task_runs_open", "task_logs", "captured_emails"],
  ...["joinable_runs", "debounced_tasks", "audit_log"],
];
