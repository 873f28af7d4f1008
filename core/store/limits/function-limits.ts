/** A function's limit of runs at once, as the revision that leads has it: its row is written with every change of that. */
import { sql } from "kysely";
import { functionKey } from "../../domain/limit-keys.ts";
import type { Db, Store } from "../database.ts";
import { removeLimit } from "./limit-rows.ts";
import { functionKeySql } from "./permits.ts";
import { recountLocked } from "./recount-permits.ts";

/** In the transaction that changes what leads, with the function's row locked. */
export async function saveFunctionLimit(tx: Db, functionId: string): Promise<void> {
  const key = functionKey(functionId);
  const { rows } = await sql<{ isNew: boolean }>`
    INSERT INTO run_limits AS l (key, namespace_id, concurrency)
    SELECT ${key}, f.namespace_id, (v.limits ->> 'concurrency')::int
    FROM functions f JOIN function_revisions v ON v.id = f.active_revision_id
    WHERE f.id = ${functionId} AND f.removed_at IS NULL AND v.limits ->> 'concurrency' IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET concurrency = excluded.concurrency
    RETURNING xmax = 0 AS "isNew"`.execute(tx);
  if (rows.length === 0) return await removeLimit(tx, key);
  // What is under way has taken no permit yet.
  if (rows[0]!.isNew) await recountLocked(tx, [key]);
}

/**
 * Writes the limits that are not as the functions have them: the release before changes functions and knows no row.
 * The functions that were corrected.
 */
export async function syncFunctionLimits({ db }: Store): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT f.id FROM functions f LEFT JOIN function_revisions v ON v.id = f.active_revision_id
      LEFT JOIN run_limits l ON l.key = ${sql.raw(functionKeySql("f.id"))}
    WHERE l.concurrency IS DISTINCT FROM
      CASE WHEN f.removed_at IS NULL THEN (v.limits ->> 'concurrency')::int END`.execute(db);
  for (const { id } of rows) {
    await db.transaction().execute(async (tx) => {
      await sql`SELECT FROM functions WHERE id = ${id} FOR NO KEY UPDATE`.execute(tx);
      await saveFunctionLimit(tx, id);
    });
  }
  return rows.map(({ id }) => id);
}
