import { type Selectable, sql } from "kysely";
import type { Task } from "../../contracts/task-output.ts";
import type { QueryScope } from "../database.ts";
import type { Database } from "../schema.ts";
import { fromPolicyColumns } from "./policy-columns.ts";
import { fromSpecColumn } from "./spec-column.ts";

type TaskRow = Selectable<Database["tasks"]>;

/** Of a task that is over by its schedule. A scalar subquery is never answered by reading all open runs. */
export const HAS_OPEN_RUN = sql<boolean>`(tasks.state = 'completed' AND coalesce((
    SELECT true FROM task_runs_open r WHERE r.task_id = tasks.id AND r.state <> 'dead' LIMIT 1), false))`.as(
  "has_open_run",
);

/** As it is stored; with `has_open_run` as it is shown, which is active while a run is open. */
export function toTask(row: TaskRow & { has_open_run?: boolean }): Task {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    name: row.name,
    state: row.has_open_run ? "active" : row.state,
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
    .select(HAS_OPEN_RUN)
    .where("id", "=", taskId)
    .where("namespace_id", "=", namespaceId)
    .where("removed_at", "is", null)
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
    .select(HAS_OPEN_RUN)
    .where("namespace_id", "=", namespaceId)
    .where("removed_at", "is", null)
    .$if(beforeId !== undefined, (query) => query.where("id", "<", beforeId!))
    .orderBy("id", "desc")
    .limit(limit + 1)
    .execute();
  return rows.map(toTask);
}
