import { exportedKey } from "../../domain/task-key.ts";
import type { QueryScope } from "../database.ts";
import { isId } from "../ids.ts";

/** Of the tasks with these ids or keys that are still to fire: the key that an export gives each, by the name given here. */
export async function findExportedKeys(
  { pool }: QueryScope,
  namespaceId: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const { rows } = await pool.query<{ id: string; key: string | null }>({
    name: "find-exported-keys",
    text: `SELECT id, key FROM tasks
      WHERE namespace_id = $1 AND removed_at IS NULL AND (id = ANY($2::uuid[]) OR key = ANY($3::text[]))
        AND (state = 'paused' OR state = 'active' AND next_run_at IS NOT NULL)`,
    values: [namespaceId, names.filter(isId), names.filter((name) => !isId(name))],
  });
  const byName = new Map(
    rows.flatMap((task) =>
      [task.id, task.key].flatMap((name) => (name === null ? [] : [[name, exportedKey(task)]])),
    ),
  );
  return new Map(
    names.flatMap((name) => {
      const key = byName.get(isId(name) ? name.toLowerCase() : name);
      return key === undefined ? [] : [[name, key]];
    }),
  );
}
