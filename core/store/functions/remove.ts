/** A function that is removed keeps its row, for its runs', logs' and revisions' sake; its name is free again. */
import { sql } from "kysely";
import { conflict } from "../../errors.ts";
import type { Db } from "../database.ts";
import { saveFunctionLimit } from "../limits/function-limits.ts";

const NAMED_TASKS = 10;

interface CallingTask {
  id: string;
  name: string | null;
  count: number;
}

/**
 * False where the namespace has no such function; 409 `function_in_use` while active tasks call it. What is queued
 * for it finds no revision any more and fails.
 */
export async function removeFunction(db: Db, namespaceId: string, name: string): Promise<boolean> {
  return await db.transaction().execute(async (tx) => {
    // For update, not less: a task that is being made holds the row by its reference.
    const { rows } = await sql<{ id: string }>`
      SELECT id FROM functions WHERE namespace_id = ${namespaceId} AND name = ${name} AND removed_at IS NULL
      FOR UPDATE`.execute(tx);
    if (!rows[0]) return false;
    const { id } = rows[0];
    const { rows: tasks } = await sql<CallingTask>`
      SELECT id, name, count(*) OVER ()::int AS count FROM tasks
      WHERE function_id = ${id} AND state = 'active' ORDER BY id LIMIT ${NAMED_TASKS}`.execute(tx);
    if (tasks.length > 0) throw conflict(describeUse(tasks), "function_in_use");
    // Its usage first: who writes at this moment holds it, or waits for it and finds the function gone.
    await sql`DELETE FROM function_kv_usage WHERE function_id = ${id}`.execute(tx);
    await sql`DELETE FROM function_kv WHERE function_id = ${id}`.execute(tx);
    await sql`DELETE FROM secrets WHERE function_id = ${id}`.execute(tx);
    await sql`DELETE FROM function_hooks WHERE function_id = ${id}`.execute(tx);
    await sql`UPDATE functions SET removed_at = now(), updated_at = now(), traffic = '{}' WHERE id = ${id}`.execute(
      tx,
    );
    await saveFunctionLimit(tx, id);
    return true;
  });
}

function describeUse(tasks: CallingTask[]): string {
  const { count } = tasks[0]!;
  const named = tasks.map(({ id, name }) => (name === null ? id : `${id} (${name})`)).join(", ");
  const more = count > tasks.length ? ` and ${count - tasks.length} more` : "";
  return `${count === 1 ? "A task calls" : `${count} tasks call`} this function: ${named}${more}. Cancel, pause or change ${count === 1 ? "it" : "them"} first.`;
}

/** Tasks call a function by its name: those that were paused or over when it was removed call the new one. */
export async function adoptTasks(
  tx: Db,
  namespaceId: string,
  name: string,
  functionId: string,
): Promise<void> {
  // A task that names a revision means the removed function's.
  await sql`UPDATE tasks SET function_id = ${functionId}
    WHERE NOT spec ? 'revision' AND function_id IN (
      SELECT id FROM functions WHERE namespace_id = ${namespaceId} AND name = ${name} AND removed_at IS NOT NULL)`.execute(
    tx,
  );
}
