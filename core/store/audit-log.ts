/**
 * The audit log. An entry is written in the transaction that makes its change, and stays as it is until the retention, or
 * until its namespace is deleted; of what is erased it keeps who did what, and no longer what that was like.
 */
import { createHash } from "node:crypto";
import type { AuditEntry } from "../contracts/audit.ts";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";
import type { QueryScope } from "./database.ts";
import { firstIdOf, isId, madeAtOf } from "./ids.ts";
import { toJsonText } from "./json-text.ts";
import { DEFAULT_NAMESPACE } from "./keys.ts";
import type { Transaction } from "./transaction.ts";

export interface NewAuditEntry extends AuditEntry {
  namespaceId: string;
  /** It is about the installation: it stands in the log of the namespace `default`, for operators. */
  isOfInstallation: boolean;
}

/** Whose what is of the installation is, whichever namespace its caller acts in. */
export const OF_INSTALLATION = "installation";

/**
 * Held to the end of the transaction: of two audited changes of one resource the second reads what the first has left.
 * `owner` is a namespace's id or OF_INSTALLATION, `resource` as entries name it.
 */
export async function lockResource({ pool }: Transaction, owner: string, resource: string): Promise<void> {
  await pool.query({
    name: "lock-audited-resource",
    text: `SELECT pg_advisory_xact_lock(${ADVISORY_LOCKS.changeResource}, $1)`,
    values: [createHash("sha256").update(`${owner}/${resource}`).digest().readInt32BE()],
  });
}

/** Part of the transaction that makes the change. */
export async function recordAudit({ pool }: Transaction, entry: NewAuditEntry): Promise<void> {
  const { id, namespaceId, action, resource, status, actorKind, actorKeyId, actorName, address } = entry;
  await pool.query({
    name: "record-audit",
    text: `INSERT INTO audit_log (id, namespace_id, for_operators, action, resource, status, actor_kind, actor_key_id,
        actor_name, address, before, after)
      SELECT $1, CASE WHEN $3::boolean THEN (SELECT n.id FROM namespaces n WHERE n.name = '${DEFAULT_NAMESPACE}') ELSE $2::uuid END,
        $3::boolean, $4, $5, $6, $7, $8, $9, $10, $11, $12`,
    values: [
      ...[
        id,
        namespaceId,
        entry.isOfInstallation,
        action,
        resource,
        status,
        actorKind,
        actorKeyId,
        actorName,
      ],
      ...[address, entry.before && toJsonText(entry.before), entry.after && toJsonText(entry.after)],
    ],
  });
}

export interface AuditFilter {
  actor?: string | undefined;
  action?: string | undefined;
  resource?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

export interface AuditPage {
  limit: number;
  beforeId: string | undefined;
  /** Those of the installation are shown, too. */
  isOperator: boolean;
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listAudit(
  { pool }: QueryScope,
  namespaceId: string,
  { actor, action, resource, from, to }: AuditFilter,
  { limit, beforeId, isOperator }: AuditPage,
): Promise<(AuditEntry & { at: Date })[]> {
  const values: unknown[] = [namespaceId];
  const conditions = ["namespace_id = $1", ...(isOperator ? [] : ["NOT for_operators"])];
  const given = (value: unknown) => `$${values.push(value)}`;
  if (actor !== undefined)
    conditions.push(isId(actor) ? `actor_key_id = ${given(actor)}` : `actor_name = ${given(actor)}`);
  if (action !== undefined) conditions.push(`action = ${given(action)}`);
  if (resource !== undefined) {
    const named = await nameById(pool, namespaceId, resource);
    const inside = given(`${escapeLike(named)}/%`);
    conditions.push(`(resource = ${given(named)} OR resource LIKE ${inside})`);
  }
  if (from) conditions.push(`id >= ${given(firstIdOf(from))}`);
  if (to) conditions.push(`id < ${given(firstIdOf(to))}`);
  if (beforeId !== undefined) conditions.push(`id < ${given(beforeId)}`);
  const { rows } = await pool.query<AuditEntry>(
    `SELECT id, action, resource, status, actor_kind AS "actorKind", actor_key_id AS "actorKeyId",
       actor_name AS "actorName", address, before, after
     FROM audit_log WHERE ${conditions.join(" AND ")} ORDER BY id DESC LIMIT ${given(limit + 1)}`,
    values,
  );
  return rows.map((row) => ({ ...row, at: madeAtOf(row.id) }));
}

/** Entries name a task by its id. */
async function nameById(pool: QueryScope["pool"], namespaceId: string, resource: string): Promise<string> {
  const [, key, rest] = /^tasks\/([^/]+)(\/.*)?$/.exec(resource) ?? [];
  if (key === undefined || isId(key)) return resource;
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id FROM tasks WHERE namespace_id = $1 AND key = $2",
    [namespaceId, key],
  );
  return rows[0] ? `tasks/${rows[0].id}${rest ?? ""}` : resource;
}

const escapeLike = (text: string) => text.replaceAll(/[\\%_]/g, "\\$&");

/** SQL: a row that is there, once the transaction may delete from the log. */
export const MAY_REMOVE_AUDIT = "(SELECT set_config('bellhop.removes_audit', 'on', true)) AS permission";

/** What stands in place of what an entry showed of a thing that was erased. */
const ERASED = toJsonText({ erased: true });

const ERASE_QUOTES = `
  WITH permission AS MATERIALIZED (SELECT set_config('bellhop.erases_audit', 'on', true)), chosen AS MATERIALIZED (
    SELECT a.id FROM permission, unnest($2::text[]) AS r(resource) JOIN LATERAL (
      SELECT id FROM audit_log WHERE namespace_id = $1 AND resource ~>=~ r.resource AND resource ~<~ (r.resource || '0')
        AND (before <> $3::jsonb OR after <> $3::jsonb)
    ) AS a ON true LIMIT $4
  ), erased AS (
    UPDATE audit_log SET before = CASE WHEN before IS NOT NULL THEN $3::jsonb END,
      after = CASE WHEN after IS NOT NULL THEN $3::jsonb END
    WHERE id = ANY(ARRAY(SELECT id FROM chosen)) RETURNING 1
  ) SELECT count(*)::int AS count FROM erased`;

/**
 * Takes out what up to `limit` entries show of these resources and of what is of them; how many. Who did what to which of
 * them, and when, stays.
 */
export async function eraseQuotes(
  { pool }: Transaction,
  namespaceId: string,
  resources: readonly string[],
  limit: number,
): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(ERASE_QUOTES, [namespaceId, resources, ERASED, limit]);
  return rows[0]!.count;
}

/** Removes up to `limit` entries from before that instant; how many. */
export async function removeExpiredAudit(
  { pool }: Transaction,
  before: Date,
  limit: number,
): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM audit_log WHERE id = ANY(ARRAY(
       SELECT id FROM audit_log, ${MAY_REMOVE_AUDIT} WHERE id < $1 ORDER BY id LIMIT $2))`,
    [firstIdOf(before), limit],
  );
  return rowCount ?? 0;
}
