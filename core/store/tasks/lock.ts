/** Tasks that are about to be changed: locked, with nothing staged ahead of them. */
import { sql } from "kysely";
import type { Task } from "../../contracts/task-output.ts";
import { excludesInstants } from "../../domain/schedule/exclusions.ts";
import type { FindNext } from "../../domain/skipped.ts";
import { notFound } from "../../errors.ts";
import { returnStagedRuns } from "../daily-runs.ts";
import { isId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import type { Transaction } from "../transaction.ts";
import { toColumn, toNominal } from "./cursor.ts";
import { createFindNext, loadExclusions, type TaskExclusion, unsettleAfter } from "./exclusions.ts";
import { toTask } from "./read.ts";

export interface LockedTask {
  task: Task;
  namespaceId: string;
  functionId: string | null;
  anchorAt: Date;
  /**
   * The cursor, nominal, also of a paused task; staged occurrences that were taken back count again. Null where the task
   * is over, or its next instant could not be found.
   */
  cursor: Date | null;
  /** By how much it fires later. */
  offsetMs: number | null;
  /** Staged occurrences of it were taken back. */
  isTakenBack: boolean;
  /** As it is stored: with what was taken back it may be active again. */
  isStoredCompleted: boolean;
  /** Of its schedule, by its calendar as that is now. */
  findNext: FindNext;
  /** Undefined: it excludes nothing. */
  exclusion: TaskExclusion | undefined;
}

/** Locks the tasks, and takes back what was staged ahead of them and is not due yet, as if it had never been staged. */
export async function lockTasks(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
): Promise<Map<string, LockedTask>> {
  const { db } = tx;
  const ids = taskIds.filter(isId);
  // In one order, so that two who lock several do not wait for each other.
  const rows = await db
    .selectFrom("tasks")
    .selectAll()
    .where(sql<boolean>`id = ANY(${ids}::uuid[])`)
    .where("namespace_id", "=", namespaceId)
    .where("removed_at", "is", null)
    .orderBy("id")
    .forUpdate()
    .execute();
  // Where the clock went back, what a former schedule had made due lies ahead again: it is no instant of this one.
  const { rows: withdrawn } = await sql<{ taskId: string; at: Date }>`
    DELETE FROM task_runs_open r
    WHERE task_id = ANY(${rows.map(({ id }) => id)}::uuid[]) AND state = 'queued' AND trigger = 'schedule' AND claim_no = 0
      AND available_at > clock_timestamp()
      AND scheduled_for > (SELECT t.anchor_at FROM tasks t WHERE t.id = r.task_id)
    RETURNING task_id AS "taskId", scheduled_for AS at`.execute(db);
  if (withdrawn.length > 0) {
    const notBegun = withdrawn.map(({ at }) => at);
    tx.beforeCommit((scope) => returnStagedRuns(scope, namespaceId, notBegun));
  }
  const instants = Map.groupBy(withdrawn, ({ taskId }) => taskId);
  const uncounted = rows.flatMap(({ id, runs_left }) =>
    runs_left !== null && instants.has(id) ? [{ id, count: instants.get(id)!.length }] : [],
  );
  if (uncounted.length > 0)
    await sql`UPDATE tasks t SET runs_left = t.runs_left + s.count
      FROM json_to_recordset(${toJsonText(uncounted)}::json) AS s(id uuid, count int) WHERE t.id = s.id`.execute(
      db,
    );
  const unsettled = rows.flatMap(({ id, schedule }) =>
    instants.has(id) && excludesInstants(schedule)
      ? [{ id, until: new Date(firstOf(instants.get(id)!) - 1) }]
      : [],
  );
  await unsettleAfter(tx, unsettled);
  const exclusions = await loadExclusions(tx, rows);
  return new Map(
    rows.map((row) => {
      const { function_id: functionId, anchor_at: anchorAt, jitter_offset_ms: offsetMs } = row;
      const exclusion = exclusions.get(row.id);
      const back = instants.get(row.id);
      const cursor = back ? new Date(firstOf(back)) : toNominal(row.next_run_at, offsetMs);
      const state = row.state === "completed" && cursor ? "active" : row.state;
      const task = toTask({ ...row, state, next_run_at: toColumn(cursor, offsetMs) });
      const findNext = createFindNext(task.schedule, anchorAt, exclusion);
      const isTakenBack = back !== undefined;
      const isStoredCompleted = row.state === "completed";
      return [
        row.id,
        {
          ...{ task, namespaceId, functionId, anchorAt, cursor, offsetMs, isTakenBack, isStoredCompleted },
          ...{ findNext, exclusion },
        },
      ];
    }),
  );
}

const firstOf = (instants: { at: Date }[]) => Math.min(...instants.map(({ at }) => at.getTime()));

/** One of them; 404 where there is none. */
export async function lockTask(tx: Transaction, namespaceId: string, taskId: string): Promise<LockedTask> {
  const locked = (await lockTasks(tx, namespaceId, [taskId])).get(taskId);
  if (!locked) throw notFound("task", taskId);
  return locked;
}
