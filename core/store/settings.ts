/** What a namespace sets for all of its own. */
import type { Callbacks } from "../domain/callbacks.ts";
import type { QueryScope } from "./database.ts";
import { toJsonText } from "./json-text.ts";

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
