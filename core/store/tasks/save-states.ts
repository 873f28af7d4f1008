/** What locked tasks become: written by one statement for all of them, and what is told of each. */
import { type RawBuilder, type Selectable, sql } from "kysely";
import type { PauseReason, Task } from "../../contracts/task-output.ts";
import { BellhopError, notFound } from "../../errors.ts";
import { byIndex } from "../by-index.ts";
import { toJsonText } from "../json-text.ts";
import type { Database } from "../schema.ts";
import type { Transaction } from "../transaction.ts";
import type { NewChange } from "./changes.ts";
import { hasOpenRun } from "./filter.ts";
import type { LockedTask } from "./lock.ts";
import { toTask } from "./read.ts";

type TaskRow = Selectable<Database["tasks"]>;

/** What became of each of several tasks, or why it was refused. */
export type EachTask = Map<string, Task | BellhopError>;

/** What a cursor's columns become; see cursor.ts. */
export interface NextCursor {
  next_run_at: Date | null;
  seek_from?: Date;
  seek_error?: string;
}

/** What becomes of a locked task. */
export interface NextState extends NextCursor {
  task: Task;
  state: Task["state"];
}

const NOTHING_MORE = sql``;

/** @param more further columns that are set */
export async function saveStates(
  { db }: Transaction,
  next: readonly NextState[],
  now: Date,
  more: RawBuilder<unknown> = NOTHING_MORE,
): Promise<Task[]> {
  if (next.length === 0) return [];
  const given = next.map(({ task, ...columns }) => ({ id: task.id, ...columns }));
  const { rows } = await sql<TaskRow & { has_open_run: boolean }>`
    WITH changed AS (
      UPDATE tasks t SET state = s.state, next_run_at = s.next_run_at, seek_from = s.seek_from, seek_error = s.seek_error,
        updated_at = ${now} ${more}
      FROM json_to_recordset(${toJsonText(given)}::json) AS s(id uuid, state text, next_run_at timestamptz,
        seek_from timestamptz, seek_error text)
      WHERE ${sql.raw(byIndex("t.id", "s.id"))} RETURNING t.*
    ) SELECT r.*, ${hasOpenRun("r")} AS has_open_run FROM changed r`.execute(db);
  return rows.map(toTask);
}

/** Each of those that are asked for, by what was decided of it and what was saved. */
export function tellEach(
  taskIds: readonly string[],
  locked: ReadonlyMap<string, LockedTask>,
  saved: readonly Task[],
  refused: ReadonlyMap<string, BellhopError> = new Map(),
): EachTask {
  const byId = new Map(saved.map((task) => [task.id, task]));
  return new Map(
    taskIds.map((id) => [
      id,
      refused.get(id) ?? byId.get(id) ?? locked.get(id)?.task ?? notFound("task", id),
    ]),
  );
}

export const idsOf = (tasks: readonly Task[]) => tasks.map(({ id }) => id);

/** The only one; throws why it was refused. */
export function theOne(tasks: EachTask): Task {
  const [task] = tasks.values();
  if (task instanceof BellhopError) throw task;
  return task!;
}

export const toChanges = (
  next: readonly NextState[],
  change: NewChange["change"],
  reason: PauseReason | null = null,
): NewChange[] => next.map(({ task }) => ({ taskId: task.id, change, reason }));
