/**
 * The deletion of a namespace, a bulk action of the namespace `default`, which stays with the receipt when the other is gone.
 * A namespace's states are open → closed → gone. Closed, its keys open nothing and it takes nothing new; batch by batch its
 * tasks are cancelled, its open runs ended, and, when none is left, all that it has is deleted. Its row goes last: what came
 * in meanwhile, by a request that was under way, is found before.
 */
import type { Bulk } from "../../contracts/bulk.ts";
import { NAMESPACES } from "../../domain/bulk.ts";
import { conflict } from "../../errors.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { DEFAULT_NAMESPACE, ensureNamespace } from "../keys.ts";
import { cancelRuns, discardDeadLetters } from "../runs/cancel.ts";
import { cancelTasksIn } from "../tasks/end.ts";
import type { Transaction } from "../transaction.ts";
import { type BulkEffects, NO_EFFECTS } from "./act.ts";
import { BULK_COLUMNS } from "./bulk-actions.ts";
import { type DeletedCounts, deleteLateData, deleteNamespaceData } from "./namespace-data.ts";
import { takeWithinRuns } from "./take-within-runs.ts";

const TASK_BATCH = 500;
const RUN_BATCH = 500;
/** Runs that were asked to stop are waited for. */
export const ENDING_LOOK_MS = 1_000;

export interface AskedDeletion {
  name: string;
  traceparent: string | undefined;
  /** The key of who asks. */
  by: string;
}

/**
 * Closes it, so that nothing new comes, and asks for its deletion; a deletion that is under way is answered again, one that
 * failed is taken up by another. Undefined: there is no such namespace.
 */
export async function closeNamespace(tx: Transaction, asked: AskedDeletion): Promise<Bulk | undefined> {
  const { name, traceparent, by } = asked;
  if (name === DEFAULT_NAMESPACE)
    throw conflict("The namespace default cannot be deleted.", "default_namespace");
  const { pool } = tx;
  const { rows: found } = await pool.query<{ id: string }>(
    "SELECT id FROM namespaces WHERE name = $1 FOR NO KEY UPDATE",
    [name],
  );
  const id = found[0]?.id;
  if (id === undefined) return undefined;
  const { rows: running } = await pool.query<Bulk>(
    `SELECT ${BULK_COLUMNS} FROM bulk_actions WHERE resource = $2 AND reached_id = $1 AND state = 'running'`,
    [id, NAMESPACES],
  );
  if (running[0]) return running[0];
  await pool.query("UPDATE namespaces SET closed_at = coalesce(closed_at, now()) WHERE id = $1", [id]);
  await pool.query(
    `UPDATE functions SET removed_at = now(), updated_at = now(), traffic = '{}'
     WHERE namespace_id = $1 AND removed_at IS NULL`,
    [id],
  );
  await pool.query(
    `UPDATE bulk_actions SET state = 'aborted', finished_at = clock_timestamp(), updated_at = clock_timestamp()
     WHERE namespace_id = $1 AND state = 'running'`,
    [id],
  );
  const { rows: made } = await pool.query<Bulk>(
    `INSERT INTO bulk_actions (id, namespace_id, action, resource, filter, traceparent, created_by, reached_id, receipt)
     VALUES ($1, $2, 'delete', $3, $4, $5, $6, $7, '{}') RETURNING ${BULK_COLUMNS}`,
    [
      ...[
        newId(),
        await ensureNamespace(tx.db, DEFAULT_NAMESPACE),
        NAMESPACES,
        toJsonText({ namespace: name }),
      ],
      ...[traceparent ?? null, by, id],
    ],
  );
  return made[0]!;
}

export interface DeletionStep extends BulkEffects {
  deleted: DeletedCounts;
  /** `waits`: for runs that were asked to stop; `over`: the namespace is gone. */
  next: "more" | "waits" | "over";
}

export interface DeletionContext {
  namespaceId: string;
  now: Date;
  by: string | null;
  isTimeUp(): boolean;
}

/** The next of what is to be done: the first step that finds something does a batch of it. */
export async function deleteNamespaceBatch(tx: Transaction, context: DeletionContext): Promise<DeletionStep> {
  return (await cancelTasks(tx, context)) ?? (await endRuns(tx, context)) ?? (await deleteRows(tx, context));
}

async function cancelTasks(
  tx: Transaction,
  { namespaceId, now, by }: DeletionContext,
): Promise<DeletionStep | undefined> {
  const { rows } = await tx.pool.query<{ id: string }>(
    `(SELECT id FROM tasks WHERE namespace_id = $1 AND state = 'active' LIMIT $2)
     UNION ALL (SELECT id FROM tasks WHERE namespace_id = $1 AND state = 'paused' LIMIT $2) LIMIT $2`,
    [namespaceId, TASK_BATCH],
  );
  if (rows.length === 0) return undefined;
  const ids = await takeWithinRuns(
    tx,
    rows.map(({ id }) => id),
  );
  const { runs } = await cancelTasksIn(tx, namespaceId, ids, now, by);
  return { ...NO_EFFECTS, ...runs, deleted: {}, next: "more" };
}

/** Those that wait end here; those that run are asked once, and are waited for. */
async function endRuns(tx: Transaction, { namespaceId }: DeletionContext): Promise<DeletionStep | undefined> {
  const { rows } = await tx.pool.query<{ id: string; isDead: boolean }>(
    `SELECT id, state = 'dead' AS "isDead" FROM task_runs_open WHERE namespace_id = $1
       AND (state <> 'running' OR cancel_requested_at IS NULL) LIMIT $2`,
    [namespaceId, RUN_BATCH],
  );
  if (rows.length > 0) {
    const [dead, others] = [true, false].map((isDead) =>
      rows.flatMap((row) => (row.isDead === isDead ? [row.id] : [])),
    ) as [string[], string[]];
    const discarded = dead.length > 0 ? await discardDeadLetters(tx, namespaceId, dead) : [];
    const { ended, asked } = await cancelRuns(tx, namespaceId, { runIds: others });
    return { ...NO_EFFECTS, ended: [...discarded, ...ended], asked, deleted: {}, next: "more" };
  }
  const { rowCount } = await tx.pool.query("SELECT FROM task_runs_open WHERE namespace_id = $1 LIMIT 1", [
    namespaceId,
  ]);
  return rowCount === 0 ? undefined : { ...NO_EFFECTS, deleted: {}, next: "waits" };
}

/** Where a batch finds nothing, nothing is left but the row, which whoever writes something of the namespace holds. */
async function deleteRows(
  tx: Transaction,
  { namespaceId, isTimeUp }: DeletionContext,
): Promise<DeletionStep> {
  const deleted = await deleteNamespaceData(tx, namespaceId, isTimeUp);
  if (Object.keys(deleted).length > 0) return { ...NO_EFFECTS, deleted, next: "more" };
  await tx.pool.query("DELETE FROM namespaces WHERE id = $1", [namespaceId]);
  return { ...NO_EFFECTS, deleted: { namespaces: 1 }, next: "over" };
}

/** A worker may write a call that it began before as long after: see runs/direct.ts. */
const LATE_HOURS = 25;

/** Deletes what was written of namespaces after they were gone; whether there may be more. */
export async function deleteLate(tx: Transaction, isTimeUp: () => boolean): Promise<boolean> {
  const { rows } = await tx.pool.query<{ id: string; namespaceId: string }>(
    `SELECT id, reached_id AS "namespaceId" FROM bulk_actions
     WHERE resource = $1 AND state = 'succeeded' AND finished_at > now() - ${LATE_HOURS} * interval '1 hour'
     ORDER BY id FOR UPDATE SKIP LOCKED`,
    [NAMESPACES],
  );
  let isMore = false;
  for (const { id, namespaceId } of rows) {
    const deleted = await deleteLateData(tx, namespaceId, isTimeUp);
    if (Object.keys(deleted).length === 0) continue;
    isMore = true;
    await addToReceipt(tx, id, deleted);
  }
  return isMore;
}

/** Adds what a batch deleted to what the batches before did. */
export async function addToReceipt({ pool }: QueryScope, id: string, deleted: DeletedCounts): Promise<void> {
  await pool.query(
    `UPDATE bulk_actions b SET receipt = coalesce(b.receipt, '{}') || (
       SELECT coalesce(jsonb_object_agg(d.key, d.value::int + coalesce((b.receipt ->> d.key)::int, 0)), '{}')
       FROM jsonb_each_text($2) d)
     WHERE id = $1`,
    [id, toJsonText(deleted)],
  );
}
