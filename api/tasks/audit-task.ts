import { toWireTask } from "../../core/contracts/task-output.ts";
import { isId } from "../../core/store/ids.ts";
import { resolveTaskId } from "../../core/store/tasks/keys.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import type { AuditedRequest, AuditSpec } from "../http/route.ts";

/** A task is known by its id, whichever of its two names the path has. */
export const identifyTask = async ({
  parts: { store },
  owner: { namespaceId },
  params: { id },
}: AuditedRequest) => ({
  id: await resolveTaskId(store, namespaceId, id!),
});

export const taskAudit: AuditSpec = {
  resource: "tasks/:id",
  identify: identifyTask,
  async read({ parts: { store }, owner: { namespaceId }, params: { id } }) {
    const task = isId(id!) ? await findTask(store, namespaceId, id!) : undefined;
    return task && toWireTask(task);
  },
};
