/**
 * The history of tasks: each change is written in the transaction that makes it, and goes with its task. That a task was
 * made, and by whom, its own row tells: making tasks costs nothing more.
 */
import type { RecordedChange } from "../../contracts/task-change.ts";
import { MAX_KEPT_CHANGES } from "../../domain/task-change.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import type { Transaction } from "../transaction.ts";

export interface NewChange extends Partial<Pick<RecordedChange, "reason" | "diff">> {
  taskId: string;
  change: Exclude<RecordedChange["change"], "created">;
}

/** The key of who asked for it; null or left out: nobody's. */
export type ChangedBy = string | null | undefined;

const RECORD = {
  name: "record-task-changes",
  text: `
    WITH given AS MATERIALIZED (
      SELECT * FROM json_to_recordset($1::json) AS g(id uuid, task_id uuid, change text, reason text, diff jsonb)
    ), beyond AS (
      DELETE FROM task_changes c USING given g WHERE c.task_id = g.task_id AND c.id <= (
        SELECT o.id FROM task_changes o WHERE o.task_id = g.task_id ORDER BY o.id DESC
        OFFSET ${MAX_KEPT_CHANGES - 1} LIMIT 1)
    )
    INSERT INTO task_changes (id, task_id, change, at, key_id, reason, diff)
    SELECT id, task_id, change, $2, $3, reason, coalesce(diff, '[]') FROM given`,
};

/** Part of the transaction that makes them. */
export async function recordChanges(
  { pool }: Transaction,
  changes: readonly NewChange[],
  at: Date,
  by: ChangedBy,
): Promise<void> {
  if (changes.length === 0) return;
  const rows = changes.map(({ taskId, ...rest }) => ({ id: newId(), task_id: taskId, ...rest }));
  await pool.query({ ...RECORD, values: [toJsonText(rows), at, by ?? null] });
}

const LIST = {
  name: "list-task-changes",
  text: `
    SELECT c.id, c.change, c.at, c.key_id AS "keyId", coalesce(k.name, s.subject) AS "keyName", c.reason, c.diff
    FROM (
      SELECT id, change, at, key_id, reason, diff FROM task_changes WHERE task_id = $1 AND id < $2
      UNION ALL
      SELECT id, 'created', created_at, created_by, NULL, '[]' FROM tasks WHERE id = $1 AND id < $2
    ) AS c LEFT JOIN api_keys k ON k.id = c.key_id LEFT JOIN token_subjects s ON s.id = c.key_id
    ORDER BY c.id DESC LIMIT $3`,
};
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. Whose task it is is the caller's to know. */
export async function listTaskChanges(
  { pool }: QueryScope,
  taskId: string,
  limit: number,
  beforeId: string = LAST_ID,
): Promise<RecordedChange[]> {
  const { rows } = await pool.query<RecordedChange>({ ...LIST, values: [taskId, beforeId, limit + 1] });
  return rows;
}
