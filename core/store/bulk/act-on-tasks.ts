/** What a bulk action may do to tasks; its name is that of the single route, and so is the function that does it. */
import type { ERASE, TaskAction } from "../../domain/bulk.ts";
import { BellhopError, notFound } from "../../errors.ts";
import { newId } from "../ids.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { type ChangedTasks, cancelTasksIn, removeTasksIn } from "../tasks/end.ts";
import { pauseTasksIn, resumeTasksIn } from "../tasks/pause-resume.ts";
import type { EachTask } from "../tasks/save-states.ts";
import type { Transaction } from "../transaction.ts";
import {
  type ActContext,
  type Acted,
  type BulkEffects,
  type BulkVerb,
  holdingTasks,
  NO_EFFECTS,
  oneByOne,
  together,
} from "./act.ts";
import { takeWithinRuns } from "./take-within-runs.ts";

/** An erasure takes more than a batch for a task: see erase/. */
export const TASK_VERBS: Record<Exclude<TaskAction, typeof ERASE>, BulkVerb> = {
  cancel: endingRuns((tx, { namespaceId, now, by }, ids) => cancelTasksIn(tx, namespaceId, ids, now, by)),

  delete: endingRuns((tx, { namespaceId, now }, ids) => removeTasksIn(tx, namespaceId, ids, now)),

  pause: together(async (tx, { namespaceId, now, by }, ids) =>
    toActed(await pauseTasksIn(tx, namespaceId, ids, now, "requested", by)),
  ),

  resume: together(async (tx, { namespaceId, now, by }, ids) =>
    toActed(await resumeTasksIn(tx, namespaceId, ids, now, by), { reschedules: true }),
  ),

  run: holdingTasks(
    oneByOne(async (tx, { namespaceId, traceparent, daily }, id) => {
      const run = await enqueueTaskRun(tx, namespaceId, id, newId(), traceparent);
      if (!run) throw notFound("task", id);
      await daily.count(tx, namespaceId);
      return { staged: [run] };
    }),
  ),
};

type EndTasks = (tx: Transaction, context: ActContext, ids: string[]) => Promise<ChangedTasks>;

/** Of as many tasks as have not too many runs that end with them. */
function endingRuns(end: EndTasks): BulkVerb {
  return together(async (tx, context, ids) => {
    const { tasks, runs } = await end(tx, context, await takeWithinRuns(tx, ids));
    return toActed(tasks, runs);
  });
}

function toActed(tasks: EachTask, effects: Partial<BulkEffects> = {}): Acted {
  const failures = [...tasks].flatMap(([id, task]) =>
    task instanceof BellhopError ? [{ id, code: task.code, message: task.message }] : [],
  );
  return { ...NO_EFFECTS, ...effects, count: tasks.size, failures };
}
