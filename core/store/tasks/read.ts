import type { Selectable } from "kysely";
import type { Task } from "../../contracts/task-output.ts";
import type { QueryScope } from "../database.ts";
import type { Database } from "../schema.ts";
import { fromPolicyColumns } from "./policy-columns.ts";
import { fromSpecColumn } from "./spec-column.ts";

type TaskRow = Selectable<Database["tasks"]>;

export function toTask(row: TaskRow): Task {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    name: row.name,
    state: row.state,
    spec: fromSpecColumn(row.spec),
    schedule: row.schedule,
    policy: fromPolicyColumns(row),
    labels: row.labels,
    nextRunAt: row.state === "active" ? row.next_run_at : null,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export async function findTask(
  { db }: QueryScope,
  namespaceId: string,
  taskId: string,
): Promise<Task | undefined> {
  const row = await db
    .selectFrom("tasks")
    .selectAll()
    .where("id", "=", taskId)
    .where("namespace_id", "=", namespaceId)
    .executeTakeFirst();
  return row && toTask(row);
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listTasks(
  { db }: QueryScope,
  namespaceId: string,
  limit: number,
  beforeId: string | undefined,
): Promise<Task[]> {
  const rows = await db
    .selectFrom("tasks")
    .selectAll()
    .where("namespace_id", "=", namespaceId)
    .$if(beforeId !== undefined, (query) => query.where("id", "<", beforeId!))
    .orderBy("id", "desc")
    .limit(limit + 1)
    .execute();
  return rows.map(toTask);
}
