/**
 * A task's cursor, `next_run_at`: when it is staged. With jitter that is its nominal instant and the task's offset. Null in
 * an active task: the next instant could not be found, and is looked for from `seek_from` on (seek-instants.ts).
 */
import { jitterOffsetMs } from "../../domain/schedule/jitter.ts";
import { doesRepeat, type Schedule } from "../../domain/schedule/schedule.ts";

export const toColumn = (nominal: Date | null, offsetMs: number | null): Date | null =>
  nominal && offsetMs ? new Date(nominal.getTime() + offsetMs) : nominal;

export const toNominal = (column: Date | null, offsetMs: number | null): Date | null =>
  column && offsetMs ? new Date(column.getTime() - offsetMs) : column;

/** Of a task with a new schedule. */
export function beginColumns(schedule: Schedule, taskId: string, first: Date | null) {
  const offsetMs = jitterOffsetMs(schedule, taskId) || null;
  return {
    next_run_at: toColumn(first, offsetMs),
    jitter_offset_ms: offsetMs,
    runs_left: (doesRepeat(schedule) && schedule.maxRuns) || null,
    seek_from: null,
    seek_error: null,
    seek_tried_at: null,
  };
}
