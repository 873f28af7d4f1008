/**
 * All that belongs to a namespace, table by table, in an order in which it can be deleted. A table that is new is to be named
 * here, or among those of the installation (delete-namespace.test.ts).
 */
import { MAY_REMOVE_AUDIT } from "../audit-log.ts";
import type { Transaction } from "../transaction.ts";

/** How many of each kind were deleted. */
export type DeletedCounts = Record<string, number>;

interface Deletion {
  tables: readonly string[];
  /** Of one batch. */
  mostRows: number;
  /** $1: the namespace, $2: how many rows at most. Answers the counts, by kind. */
  text: string;
  /** The kind by which is told whether there is more. */
  kind: string;
}

/** Rows that name their namespace. */
const ofNamespace = (kind: string, table: string): Deletion => ({
  ...{ kind, tables: [table], mostRows: 1_000 },
  text: `WITH gone AS (
      DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE namespace_id = $1 LIMIT $2)) RETURNING 1)
    SELECT count(*)::int AS "${kind}" FROM gone`,
});

/** Rows that name something of a namespace. */
const ofOwned = (kind: string, table: string, owner: string, column: string, mostRows = 1_000): Deletion => ({
  ...{ kind, tables: [table], mostRows },
  text: `WITH gone AS (
      DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
        SELECT c.ctid FROM ${owner} o JOIN ${table} c ON c.${column} = o.id WHERE o.namespace_id = $1 LIMIT $2)) RETURNING 1)
    SELECT count(*)::int AS "${kind}" FROM gone`,
});

/** With their log lines: a run may have a thousand. */
const ENDED_RUNS: Deletion = {
  ...{ kind: "runs", tables: ["task_runs", "task_logs"], mostRows: 200 },
  text: `WITH chosen AS MATERIALIZED (
      SELECT id FROM task_runs WHERE namespace_id = $1 AND finished_at < 'infinity' LIMIT $2
    ), lines AS (
      DELETE FROM task_logs WHERE run_id = ANY(ARRAY(SELECT id FROM chosen)) RETURNING 1
    ), gone AS (
      DELETE FROM task_runs WHERE id = ANY(ARRAY(SELECT id FROM chosen)) AND finished_at < 'infinity' RETURNING 1
    ) SELECT (SELECT count(*)::int FROM gone) AS runs, (SELECT count(*)::int FROM lines) AS "logLines"`,
};

const RETURNED_PERMITS: Deletion = {
  ...{ kind: "returnedPermits", tables: ["returned_permits"], mostRows: 1_000 },
  text: `WITH gone AS (
      DELETE FROM returned_permits WHERE ctid = ANY(ARRAY(
        SELECT p.ctid FROM run_limits l JOIN returned_permits p ON p.key = l.key WHERE l.namespace_id = $1 LIMIT $2))
      RETURNING 1)
    SELECT count(*)::int AS "returnedPermits" FROM gone`,
};

/** It is append-only to whoever does not say that he may. */
const AUDIT_LOG: Deletion = {
  ...{ kind: "auditEntries", tables: ["audit_log"], mostRows: 1_000 },
  text: `WITH gone AS (
      DELETE FROM audit_log WHERE id = ANY(ARRAY(
        SELECT id FROM audit_log, ${MAY_REMOVE_AUDIT} WHERE namespace_id = $1 LIMIT $2)) RETURNING 1)
    SELECT count(*)::int AS "auditEntries" FROM gone`,
};

/** What a call that is written late may leave: none of these refers to a row of the namespace. */
const LATE: readonly Deletion[] = [
  ENDED_RUNS,
  ofNamespace("callbacks", "run_callbacks"),
  ofNamespace("events", "events"),
  ofNamespace("errorGroups", "error_groups"),
  ofNamespace("activity", "activity_minutes"),
];

const DELETIONS: readonly Deletion[] = [
  ...LATE,
  ofNamespace("joinableRuns", "joinable_runs"),
  ofNamespace("debouncedTasks", "debounced_tasks"),
  ofNamespace("expectations", "expectations"),
  ofNamespace("enqueuedTasks", "enqueued_tasks"),
  ofNamespace("idempotencyKeys", "idempotency_keys"),
  ofNamespace("emails", "captured_emails"),
  ofNamespace("erasedTasks", "erased_tasks"),
  ofNamespace("bulkActions", "bulk_actions"),
  ofOwned("taskChanges", "task_changes", "tasks", "task_id"),
  ofOwned("overruns", "overrunning_tasks", "tasks", "task_id"),
  ofNamespace("taskExclusions", "task_exclusions"),
  ofOwned("taskHooks", "function_hooks", "tasks", "task_id"),
  ofNamespace("tasks", "tasks"),
  ofNamespace("calendars", "calendars"),
  RETURNED_PERMITS,
  ofNamespace("limits", "run_limits"),
  ofNamespace("queues", "queues"),
  ofOwned("functionKeys", "function_kv", "functions", "function_id"),
  ofOwned("functionUsage", "function_kv_usage", "functions", "function_id"),
  ofOwned("hooks", "function_hooks", "functions", "function_id"),
  ofOwned("tags", "function_tags", "functions", "function_id"),
  ofNamespace("secrets", "secrets"),
  // A revision may have megabytes.
  ofOwned("revisions", "function_revisions", "functions", "function_id", 50),
  ofNamespace("functions", "functions"),
  ofNamespace("settings", "namespace_settings"),
  ofNamespace("signingSecrets", "signing_secrets"),
  ofNamespace("enqueueRoles", "enqueue_roles"),
  AUDIT_LOG,
  ofNamespace("openStreams", "open_streams"),
  ofNamespace("dailyRuns", "daily_runs"),
  ofNamespace("storedBytes", "stored_bytes"),
  ofNamespace("keys", "api_keys"),
];

/** Every table that may hold rows of a namespace. */
export const NAMESPACE_TABLES: ReadonlySet<string> = new Set([
  ...["namespaces", "task_runs_open"],
  ...DELETIONS.flatMap(({ tables }) => tables),
]);

/** A batch: until a table has more than is deleted at once, or time is up. Nothing deleted: nothing is left. */
export const deleteNamespaceData = (tx: Transaction, namespaceId: string, isTimeUp: () => boolean) =>
  deleteBatch(tx, namespaceId, DELETIONS, isTimeUp);

/** The same of what came after the namespace was gone. */
export const deleteLateData = (tx: Transaction, namespaceId: string, isTimeUp: () => boolean) =>
  deleteBatch(tx, namespaceId, LATE, isTimeUp);

async function deleteBatch(
  { pool }: Transaction,
  namespaceId: string,
  deletions: readonly Deletion[],
  isTimeUp: () => boolean,
): Promise<DeletedCounts> {
  const counts: DeletedCounts = {};
  for (const { text, kind, mostRows } of deletions) {
    const { rows } = await pool.query<DeletedCounts>(text, [namespaceId, mostRows]);
    for (const [name, count] of Object.entries(rows[0]!)) if (count > 0) counts[name] = count;
    if (rows[0]![kind] === mostRows || (isTimeUp() && Object.keys(counts).length > 0)) break;
  }
  return counts;
}
