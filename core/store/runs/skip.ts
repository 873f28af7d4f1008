/** Occurrences that are recorded although they do not run. */
import { sql } from "kysely";
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";

interface SkippedTask {
  id: string;
  namespaceId: string;
  type: TaskType;
  functionId: string | null;
}

/** [*] → skipped: one row for all of the instants. */
export async function recordSkipped(
  { db }: QueryScope,
  task: SkippedTask,
  skipped: SkippedInstants,
): Promise<void> {
  const { id, namespaceId, type, functionId } = task;
  await sql`
    INSERT INTO task_runs (id, namespace_id, task_id, function_id, type, trigger, state, scheduled_for, available_at,
      finished_at, skipped)
    VALUES (${newId()}, ${namespaceId}, ${id}, ${functionId}, ${type}, 'schedule', 'skipped', ${skipped.firstAt},
      ${skipped.firstAt}, clock_timestamp(), ${JSON.stringify(skipped)})`.execute(db);
}
