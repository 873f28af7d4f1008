/**
 * Ends tasks: any but cancelled → cancelled, any → removed. Each locks them and ends their waiting runs in one transaction,
 * several as well as one, by the same statements. What ends in `In` is part of a larger transaction. A task that has no
 * further occurrence completes by itself (runs/stage.ts), and is shown as active while a run of it is open.
 */
import type { Task } from "../../contracts/task-output.ts";
import { BellhopError } from "../../errors.ts";
import type { Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { type Cancelled, cancelRuns } from "../runs/cancel.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type ChangedBy, recordChanges } from "./changes.ts";
import { lockTasks } from "./lock.ts";
import { recordPassed } from "./passed-instants.ts";
import {
  type EachTask,
  idsOf,
  type NextState,
  saveStates,
  tellEach,
  theOne,
  toChanges,
} from "./save-states.ts";

/** What each of several tasks became; one that is refused stops no other. */
export interface ChangedTasks {
  tasks: EachTask;
  /** Of all of them. */
  runs: Cancelled;
}

/** Ends the task, its waiting runs with it; running ones are asked to stop. Cancelling twice is the same as once. */
export async function cancelTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
  by?: ChangedBy,
): Promise<{ task: Task; runs: Cancelled }> {
  return await inTransaction(store.pool, async (tx) => {
    const { tasks, runs } = await cancelTasksIn(tx, namespaceId, [taskId], now, by);
    return { task: theOne(tasks), runs };
  });
}

/** The same of several, as a part of a transaction. */
export async function cancelTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
  by?: ChangedBy,
): Promise<ChangedTasks> {
  const { next, ...changed } = await endTasks(tx, namespaceId, taskIds, now);
  await recordChanges(tx, toChanges(next, "cancelled"), now, by);
  return changed;
}

async function endTasks(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
): Promise<ChangedTasks & { next: NextState[] }> {
  const locked = await lockTasks(tx, namespaceId, taskIds);
  const all = [...locked.values()];
  await recordPassed(tx, all, now);
  const runs = await cancelRuns(tx, namespaceId, { taskIds: [...locked.keys()] });
  const next = all
    .filter(({ task }) => task.state !== "cancelled")
    .map(({ task }) => ({ task, state: "cancelled" as const, next_run_at: null }));
  const cancelled = await saveStates(tx, next, now);
  await tellTasks(tx, "cancelled", idsOf(cancelled));
  return { tasks: tellEach(taskIds, locked, cancelled), runs, next };
}

/**
 * Ends the task like `cancelTask`, and it is not there any more. Its runs stay. The row goes at once, or, where a run is
 * still open and takes its task's policy, with the last of its runs.
 */
export async function removeTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<Cancelled> {
  return await inTransaction(store.pool, async (tx) => {
    const { tasks, runs } = await removeTasksIn(tx, namespaceId, [taskId], now);
    theOne(tasks);
    return runs;
  });
}

/** The same of several, as a part of a transaction; as they were when they were cancelled. */
export async function removeTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
): Promise<ChangedTasks> {
  const { ids, changed } = await endAndTell(tx, namespaceId, taskIds, now);
  // The rows that are deleted are not there for the update, which is of another statement.
  await tx.pool.query(REMOVE, [ids]);
  await tx.pool.query(HIDE, [ids, now]);
  return changed;
}

/** The same, except that their rows stay, so that what is theirs can still be found. */
export async function hideTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
): Promise<ChangedTasks> {
  const { ids, changed } = await endAndTell(tx, namespaceId, taskIds, now);
  await tx.pool.query(HIDE, [ids, now]);
  return changed;
}

async function endAndTell(tx: Transaction, namespaceId: string, taskIds: readonly string[], now: Date) {
  const { next: _goes, ...changed } = await endTasks(tx, namespaceId, taskIds, now);
  const ids = [...changed.tasks].flatMap(([id, task]) => (task instanceof BellhopError ? [] : [id]));
  await tellTasks(tx, "deleted", ids);
  return { ids, changed };
}

const HIDE = "UPDATE tasks SET removed_at = $2 WHERE id = ANY($1::uuid[])";

const REMOVE = `DELETE FROM tasks t WHERE t.id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM task_runs_open o WHERE o.task_id = t.id)`;
