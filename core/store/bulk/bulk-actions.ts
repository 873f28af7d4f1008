/** The rows of bulk actions: made, read, aborted, removed. What drives them is drive.ts. */
import type { Backfill } from "../../contracts/backfill.ts";
import type { Bulk } from "../../contracts/bulk.ts";
import { type BulkAction, type BulkResource, ERASE, NAMESPACES } from "../../domain/bulk.ts";
import { BellhopError, conflict } from "../../errors.ts";
import type { QueryScope } from "../database.ts";
import { isId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { lockOpenNamespace } from "../namespaces.ts";
import type { Transaction } from "../transaction.ts";

/** Of a namespace, at once. */
export const MAX_RUNNING = 10;

export const BULK_COLUMNS = `id, namespace_id AS "namespaceId", action, resource, filter, backfill,
  cardinality(instants) AS instants, state, done, failed, failures, error, receipt, created_by AS "createdBy",
  state = 'running' AND abort_requested_at IS NOT NULL AS "isAborting",
  created_at AS "createdAt", updated_at AS "updatedAt", finished_at AS "finishedAt"`;

export interface NewBulk {
  id: string;
  namespaceId: string;
  action: BulkAction;
  resource: BulkResource;
  /** Validated; instants are written as text. */
  filter: object;
  /** The request that asks (W3C). */
  traceparent: string | undefined;
  /** The key of who asks. */
  by?: string | null;
  /** Of a backfill alone: what it was asked for, and its instants, oldest first. */
  backfill?: Backfill & { instants: Date[] };
}

/** Of an erasure: whoever's clock is ahead may have made tasks, or asked for some, with later ids than its own. */
const asked = (
  id: string,
  namespaceId: string,
) => `jsonb_build_object('at', 'asked', 'untilId', greatest(${id}::uuid,
  (SELECT t.id FROM tasks t WHERE t.namespace_id = ${namespaceId}::uuid AND t.id > ${id}::uuid ORDER BY t.id DESC LIMIT 1),
  (SELECT e.task_id FROM enqueued_tasks e WHERE e.namespace_id = ${namespaceId}::uuid AND e.task_id > ${id}::uuid
    ORDER BY e.task_id DESC LIMIT 1)))`;

/** 429 where as many of the namespace are running as may. Its row is locked, so that none is made beside the count. */
export async function createBulk(tx: Transaction, given: NewBulk): Promise<Bulk> {
  const { id, namespaceId, action, resource, filter, traceparent, by = null } = given;
  const { instants, ...backfill } = given.backfill ?? {};
  await lockOpenNamespace(tx, namespaceId);
  const { rows } = await tx.pool.query<Bulk>(
    `INSERT INTO bulk_actions (id, namespace_id, action, resource, filter, traceparent, created_by,
       backfill, instants, receipt, progress)
     SELECT $1, $2, $3, $4, $5, $6, $8, $9, $10, CASE WHEN $3 = '${ERASE}' THEN '{}'::jsonb END,
       CASE WHEN $3 = '${ERASE}' THEN ${asked("$1", "$2")} END
     WHERE (SELECT count(*) FROM bulk_actions WHERE namespace_id = $2 AND state = 'running'
       AND resource <> '${NAMESPACES}') < $7
     RETURNING ${BULK_COLUMNS}`,
    [
      ...[id, namespaceId, action, resource, toJsonText(filter), traceparent ?? null, MAX_RUNNING, by],
      ...[given.backfill ? toJsonText(backfill) : null, instants ?? null],
    ],
  );
  if (rows[0]) return rows[0];
  const message = `A namespace has at most ${MAX_RUNNING} running bulk actions; wait for one, or abort one.`;
  throw new BellhopError("too_many_bulk_actions", 429, message);
}

/** Deletions of namespaces are an operator's, wherever he acts; all else is its namespace's. */
const shownTo = (namespaceId: string, isOperator: string) =>
  `CASE WHEN resource = '${NAMESPACES}' THEN ${isOperator} ELSE namespace_id = ${namespaceId} END`;

export async function findBulk(
  { pool }: QueryScope,
  namespaceId: string,
  id: string,
  isOperator = false,
): Promise<Bulk | undefined> {
  if (!isId(id)) return undefined;
  const { rows } = await pool.query<Bulk>(
    `SELECT ${BULK_COLUMNS} FROM bulk_actions WHERE id = $1 AND ${shownTo("$2", "$3::boolean")}`,
    [id, namespaceId, isOperator],
  );
  return rows[0];
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listBulks(
  { pool }: QueryScope,
  namespaceId: string,
  limit: number,
  beforeId: string | undefined,
  isOperator = false,
): Promise<Bulk[]> {
  const { rows } = await pool.query<Bulk>(
    `SELECT ${BULK_COLUMNS} FROM bulk_actions
     WHERE namespace_id = $1 AND ${shownTo("$1", "$4::boolean")} AND ($2::uuid IS NULL OR id < $2)
     ORDER BY id DESC LIMIT $3`,
    [namespaceId, beforeId ?? null, limit + 1, isOperator],
  );
  return rows;
}

/**
 * running → aborted; an erasure is asked to, and first finishes the tasks that it has begun. A batch that is under way is waited for: its counts are in what is answered, and no other comes.
 * Undefined where there is none of that id; 409 where it has ended otherwise.
 */
export async function abortBulk(
  scope: QueryScope,
  namespaceId: string,
  id: string,
  isOperator = false,
): Promise<Bulk | undefined> {
  if (!isId(id)) return undefined;
  const { rows } = await scope.pool.query<Bulk>(
    `UPDATE bulk_actions SET state = CASE WHEN action <> '${ERASE}' THEN 'aborted' ELSE state END,
       finished_at = CASE WHEN action <> '${ERASE}' THEN clock_timestamp() END,
       abort_requested_at = clock_timestamp(), updated_at = clock_timestamp()
     WHERE id = $1 AND namespace_id = $2 AND resource <> '${NAMESPACES}' AND state = 'running'
       AND abort_requested_at IS NULL RETURNING ${BULK_COLUMNS}`,
    [id, namespaceId],
  );
  if (rows[0]) return rows[0];
  const ended = await findBulk(scope, namespaceId, id, isOperator);
  if (ended?.resource === NAMESPACES)
    throw conflict("The deletion of a namespace cannot be aborted.", "deletion_not_abortable");
  if (!ended || ended.state === "aborted" || ended.isAborting) return ended;
  throw conflict(`The bulk action has ${ended.state}: there is nothing to abort.`, "bulk_action_ended");
}

/** Removes up to `limit` of those that ended before; how many. */
export async function removeExpiredBulks({ pool }: QueryScope, before: Date, limit: number): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM bulk_actions WHERE id = ANY (ARRAY(
       SELECT id FROM bulk_actions WHERE finished_at < $1 ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
    [before, limit],
  );
  return rowCount ?? 0;
}
