/** Where in its window a task fires. Pure. */
import { createHash } from "node:crypto";
import { doesRepeat, type Schedule } from "./schedule.ts";

/** By how much the task fires later than its nominal instants: always the same, evenly spread over tasks. */
export function jitterOffsetMs(schedule: Schedule, taskId: string): number {
  const windowMs = doesRepeat(schedule) ? (schedule.jitterMs ?? 0) : 0;
  if (windowMs === 0) return 0;
  const hash = createHash("sha256").update(taskId).digest().readUIntBE(0, 6);
  return Math.floor((hash / 2 ** 48) * windowMs);
}
