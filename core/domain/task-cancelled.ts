import { type BellhopError, conflict } from "../errors.ts";

/** 409: whoever asks for a run of a task that is cancelled gets none. */
export const taskCancelled = (): BellhopError =>
  conflict("A cancelled task does not run any more.", "task_cancelled");
