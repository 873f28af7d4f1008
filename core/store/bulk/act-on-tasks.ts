import type { TaskAction } from "../../domain/bulk.ts";
import { notFound } from "../../errors.ts";
import { newId } from "../ids.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { cancelTaskIn, pauseTaskIn, removeTaskIn, resumeTaskIn } from "../tasks/change.ts";
import { type BulkVerb, oneByOne } from "./act.ts";

export const TASK_VERBS: Record<TaskAction, BulkVerb> = {
  cancel: oneByOne(async (tx, { namespaceId, now }, id) => {
    const { runs } = await cancelTaskIn(tx, namespaceId, id, now);
    return runs;
  }),

  delete: oneByOne((tx, { namespaceId, now }, id) => removeTaskIn(tx, namespaceId, id, now)),

  pause: oneByOne(async (tx, { namespaceId, now }, id) => {
    await pauseTaskIn(tx, namespaceId, id, now);
    return {};
  }),

  resume: oneByOne(async (tx, { namespaceId, now }, id) => {
    await resumeTaskIn(tx, namespaceId, id, now);
    return { reschedules: true };
  }),

  run: oneByOne(async (tx, { namespaceId, traceparent }, id) => {
    const run = await enqueueTaskRun(tx, namespaceId, id, newId(), traceparent);
    if (!run) throw notFound("task", id);
    return { staged: [run] };
  }),
};
