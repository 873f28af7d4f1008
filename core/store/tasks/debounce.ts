/**
 * A task that fires once, a while after it was asked for the last time: one of its type with the same key takes its place
 * until then. It is a task with a delay like any other; a change of it wins or loses against its instant as every change
 * of a task does (lock.ts).
 */

import { type Debounce, decideDebounced } from "../../domain/joining.ts";
import type { ScheduleTime } from "../../schedule-time.ts";
import type { QueryScope } from "../database.ts";
import { holdPlace, type JoinPlace } from "../joins/joinable-runs.ts";
import type { Transaction } from "../transaction.ts";
import { type CreatedTask, createTaskIn, type NewTask } from "./create.ts";
import { type LockedTask, lockTasks } from "./lock.ts";
import { changeTaskIn } from "./redefine.ts";

export interface DebouncedTask extends Pick<CreatedTask, "task"> {
  /** An earlier one's place was taken. */
  joined: boolean;
}

/** The time is read under the locks: of two that come at once the later one is put off from when it was its turn. */
export type NewDebouncedTask = Omit<NewTask, "now"> & { time: Pick<ScheduleTime, "now"> };

/** Where tasks of a type meet that name the key. */
export const debouncePlace = (namespaceId: string, type: string, { key }: Debounce): JoinPlace => ({
  namespaceId,
  scope: `debounce/tasks/${type}`,
  key,
});

/** Whatever schedule is given: it fires by `debounce`. */
export async function debounceTaskIn(
  tx: Transaction,
  { time, ...asked }: NewDebouncedTask,
  debounce: Debounce,
): Promise<DebouncedTask> {
  const { namespaceId, functionId = null, by } = asked;
  const { type } = asked.input.spec;
  const place = [namespaceId, type, debounce.key];
  await holdPlace(tx, debouncePlace(namespaceId, type, debounce));
  const locked = await lockStanding(tx, place);
  const given = { ...asked, now: time.now() };
  const { now } = given;
  const standing = locked?.isOpenAt(now) ? locked : undefined;
  const input = { ...given.input, schedule: { kind: "delay" as const, delayMs: debounce.waitMs } };
  if (!standing) {
    const { task } = await createTaskIn(tx, { ...given, input });
    await tx.pool.query({ name: "save-debounced-task", text: SAVE, values: [...place, task.id, now] });
    return { task, joined: false };
  }
  const { task } = await changeTaskIn(
    tx,
    namespaceId,
    standing.taskId,
    now,
    // Who names no key takes none away.
    async ({ key }) => ({ input: { ...input, key: input.key ?? key }, functionId, reschedules: true }),
    by,
  );
  const nextRunAt = decideDebounced(standing.openedAt, now, debounce);
  await tx.pool.query("UPDATE tasks SET next_run_at = $2 WHERE id = $1", [task.id, nextRunAt]);
  return { task: { ...task, nextRunAt }, joined: true };
}

const SAVE = `INSERT INTO debounced_tasks (namespace_id, type, key, task_id, opened_at) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (namespace_id, type, key) DO UPDATE SET task_id = excluded.task_id, opened_at = excluded.opened_at`;

const LOCK_STANDING = `SELECT d.task_id AS "taskId", d.opened_at AS "openedAt"
  FROM debounced_tasks d JOIN tasks t ON t.id = d.task_id AND t.namespace_id = d.namespace_id
  WHERE d.namespace_id = $1 AND d.type = $2 AND d.key = $3 AND t.removed_at IS NULL
    AND t.type = d.type AND t.schedule ->> 'kind' = 'delay' AND t.policy -> 'debounce' ->> 'key' = d.key
  FOR UPDATE OF t`;

/**
 * The task that has the place, locked. One that was given a schedule, or another key, since then is another's no more;
 * it is not touched, with whatever is staged of it.
 */
async function lockStanding(tx: Transaction, place: string[]) {
  const { rows } = await tx.pool.query<{ taskId: string; openedAt: Date }>({
    name: "lock-debounced-task",
    text: LOCK_STANDING,
    values: place,
  });
  if (!rows[0]) return undefined;
  const { taskId, openedAt } = rows[0];
  const locked = (await lockTasks(tx, place[0]!, [taskId])).get(taskId);
  return { taskId, openedAt, isOpenAt: (now: Date) => isOpen(locked, now) };
}

/** It has not fired: paused, over or removed it is another's no more. */
function isOpen(locked: LockedTask | undefined, now: Date): boolean {
  if (locked?.task.state !== "active" || locked.cursor === null) return false;
  // What was staged and is taken back would be lost, whatever our clock says of its instant.
  return locked.isTakenBack || locked.cursor > now;
}

const REMOVE_FIRED = `WITH looked AS MATERIALIZED (
    SELECT * FROM debounced_tasks WHERE (namespace_id, type, key) > ($2::uuid, $3, $4)
    ORDER BY namespace_id, type, key LIMIT $1
  ), removed AS (
    DELETE FROM debounced_tasks d USING looked l
    WHERE d.namespace_id = l.namespace_id AND d.type = l.type AND d.key = l.key AND d.task_id = l.task_id
      AND NOT EXISTS (SELECT FROM tasks t WHERE t.id = d.task_id AND t.state = 'active' AND t.removed_at IS NULL)
    RETURNING 1)
  SELECT namespace_id AS "namespaceId", type, key, (SELECT count(*)::int FROM removed) AS removed FROM looked
  ORDER BY namespace_id DESC, type DESC, key DESC LIMIT 1`;

/** Removes those that nobody joins any more, looking at `batch` of all at a time; how many. */
export async function removeFiredDebounces({ pool }: QueryScope, batch: number): Promise<number> {
  let removed = 0;
  let after = ["00000000-0000-0000-0000-000000000000", "", ""];
  for (;;) {
    const { rows } = await pool.query(REMOVE_FIRED, [batch, ...after]);
    const last = rows[0] as { namespaceId: string; type: string; key: string; removed: number } | undefined;
    if (!last) return removed;
    removed += last.removed;
    after = [last.namespaceId, last.type, last.key];
  }
}
