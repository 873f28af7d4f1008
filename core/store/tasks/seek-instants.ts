/** Active tasks whose next instant could not be found: they are not over, they are looked at again. */
import { sql } from "kysely";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { messageOf } from "../../errors.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { toColumn } from "./cursor.ts";
import { createFindNext, loadExclusions, type TaskExclusion } from "./exclusions.ts";

interface SeekingTask {
  id: string;
  schedule: Schedule;
  anchor_at: Date;
  seek_from: Date;
  jitter_offset_ms: number | null;
}

/** What is looked for in vain is looked for again after so long. */
export const SEEK_AGAIN_MS = 60_000;

/** Answers how many were looked at, and those that were found. */
export async function seekInstants(
  store: Store,
  now: Date,
  limit: number,
): Promise<{ tried: number; found: number }> {
  return await inTransaction(store.pool, async (tx) => {
    const before = new Date(now.getTime() - SEEK_AGAIN_MS);
    const { rows } = await sql<SeekingTask>`
      SELECT id, schedule, anchor_at, seek_from, jitter_offset_ms FROM tasks
      WHERE seek_from IS NOT NULL AND state = 'active' AND (seek_tried_at IS NULL OR seek_tried_at <= ${before})
      ORDER BY seek_tried_at NULLS FIRST LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx.db);
    const exclusions = await loadExclusions(tx, rows);
    let found = 0;
    for (const task of rows) {
      const columns = seek(task, exclusions.get(task.id), now);
      if (columns.seek_from === null) found += 1;
      await tx.db.updateTable("tasks").set(columns).where("id", "=", task.id).execute();
    }
    return { tried: rows.length, found };
  });
}

function seek(task: SeekingTask, exclusion: TaskExclusion | undefined, now: Date) {
  const { schedule, anchor_at, seek_from, jitter_offset_ms } = task;
  try {
    const next = createFindNext(schedule, anchor_at, exclusion)(seek_from);
    const state = next ? ("active" as const) : ("completed" as const);
    const found = { seek_from: null, seek_error: null, seek_tried_at: null };
    return { next_run_at: toColumn(next, jitter_offset_ms), state, ...found };
  } catch (error) {
    return { seek_from, seek_error: messageOf(error), seek_tried_at: now };
  }
}
