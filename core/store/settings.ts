/** What a namespace sets for all of its own. */
import type { Callbacks } from "../domain/callbacks.ts";
import type { QueryScope } from "./database.ts";
import { toJsonText } from "./json-text.ts";
import type { Transaction } from "./transaction.ts";

export interface NamespaceSettings {
  /** For tasks that name nobody; null: nobody is called. */
  on: Callbacks | null;
}

export async function findSettings({ pool }: QueryScope, namespaceId: string): Promise<NamespaceSettings> {
  const { rows } = await pool.query<NamespaceSettings>(
    `SELECT on_end AS "on" FROM namespace_settings WHERE namespace_id = $1`,
    [namespaceId],
  );
  return rows[0] ?? { on: null };
}

/** Whoever would set them waits for the transaction's end; what was never set is given a row for that. */
export async function holdSettings({ pool }: Transaction, namespaceId: string): Promise<void> {
  await pool.query("INSERT INTO namespace_settings (namespace_id) VALUES ($1) ON CONFLICT DO NOTHING", [
    namespaceId,
  ]);
  await pool.query("SELECT FROM namespace_settings WHERE namespace_id = $1 FOR UPDATE", [namespaceId]);
}

/** All of them. */
export async function putSettings(
  { pool }: QueryScope,
  namespaceId: string,
  { on }: NamespaceSettings,
): Promise<void> {
  await pool.query(
    `INSERT INTO namespace_settings (namespace_id, on_end) VALUES ($1, $2)
     ON CONFLICT (namespace_id) DO UPDATE SET on_end = excluded.on_end, updated_at = now()`,
    [namespaceId, on && toJsonText(on)],
  );
}
