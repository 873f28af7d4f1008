import { type BellhopError, conflict } from "../errors.ts";

/** 409: whoever asks for a run of a task that is cancelled gets none. */
export const taskCancelled = (): BellhopError =>
  conflict("A cancelled task no longer runs.", "task_cancelled");
