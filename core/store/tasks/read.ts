import { type Selectable, sql } from "kysely";
import type { TaskFilter } from "../../contracts/task-filter.ts";
import type { Task } from "../../contracts/task-output.ts";
import type { QueryScope } from "../database.ts";
import type { Database } from "../schema.ts";
import { estimateCount, type Found, type PageOptions, type Reading, readWalks } from "../walk.ts";
import { toNominal } from "./cursor.ts";
import { hasOpenRun, planTaskWalks } from "./filter.ts";
import { fromPolicyColumns } from "./policy-columns.ts";
import { fromSpecColumn } from "./spec-column.ts";

type TaskRow = Selectable<Database["tasks"]>;
type ReadRow = TaskRow & { has_open_run: boolean };

/** Of a row that is written. */
export const HAS_OPEN_RUN = hasOpenRun("tasks").as("has_open_run");

/** As it is stored; with `has_open_run` as it is shown, which is active while a run is open. */
export function toTask(row: TaskRow & { has_open_run?: boolean }): Task {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    key: row.key,
    name: row.name,
    state: row.has_open_run ? "active" : row.state,
    spec: fromSpecColumn(row.spec),
    schedule: row.schedule,
    policy: fromPolicyColumns(row),
    labels: row.labels,
    on: row.on_end,
    nextRunAt: row.state === "active" ? toNominal(row.next_run_at, row.jitter_offset_ms) : null,
    scheduleError: row.state === "active" ? row.seek_error : null,
    pausedAt: row.state === "paused" ? row.paused_at : null,
    pausedReason: row.state === "paused" ? row.paused_reason : null,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Of a task `r`, for `toTask`: as it is shown. */
export const TASK_COLUMNS = sql`r.*, ${hasOpenRun("r")} AS has_open_run`;

export async function findTask(
  { db }: QueryScope,
  namespaceId: string,
  taskId: string,
): Promise<Task | undefined> {
  const { rows } = await sql<ReadRow>`SELECT ${TASK_COLUMNS} FROM tasks r
    WHERE id = ${taskId} AND namespace_id = ${namespaceId} AND removed_at IS NULL`.execute(db);
  return rows[0] && toTask(rows[0]);
}

/** In the order of their ids, the newest first unless it is said otherwise. */
export async function listTasks(
  { db }: QueryScope,
  namespaceId: string,
  filter: TaskFilter,
  page: PageOptions,
): Promise<Found<Task>> {
  const found = await readWalks(db, planTaskWalks(namespaceId, filter), READING, page);
  return { ...found, rows: found.rows.map(toTask) };
}

const READING: Reading<ReadRow> = {
  select: (found) => sql<ReadRow>`SELECT ${TASK_COLUMNS} FROM (${found}) r`,
  largeColumns: ["spec"],
};

/** About how many tasks match. */
export async function estimateTasks(
  { db }: QueryScope,
  namespaceId: string,
  filter: TaskFilter,
): Promise<number> {
  return await estimateCount(db, planTaskWalks(namespaceId, filter));
}
