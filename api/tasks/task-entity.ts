/** A task, as what it is changed under a condition by. */
import { toWireTask } from "../../core/contracts/task-output.ts";
import { holdTask, resolveTaskId } from "../../core/store/tasks/keys.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import type { Entity } from "../http/entity.ts";

export const taskEntity: Entity = {
  // A task that fires is the same task.
  leaves: ["nextRunAt", "updatedAt", "runId"],
  lock: (tx, namespaceId, { id }) => holdTask(tx, namespaceId, id!),
  async read({ store }, namespaceId, { id: name }) {
    const id = await resolveTaskId(store, namespaceId, name!);
    const task = id && (await findTask(store, namespaceId, id));
    return task ? toWireTask(task) : undefined;
  },
};
