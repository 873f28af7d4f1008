/** A task is named by its id or its key, wherever one is named; here the name becomes the id. */
import { taskParam } from "../../core/contracts/task-key.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { resolveTaskId } from "../../core/store/tasks/keys.ts";
import type { Route } from "../http/route.ts";

/** Routes whose `:id` is a task: their handlers are given its id, whichever of the two names it. 404 for an unknown key. */
export const ofTask = (routes: readonly Route[]): Route[] =>
  routes.map((route) => ({
    ...route,
    params: { ...route.params, id: taskParam },
    async handle(request) {
      const { parts, owner, params } = request;
      const name = params["id"]!;
      const id = await resolveTaskId(parts.store, owner!.namespaceId, name);
      if (id === undefined) throw notFound("task", name);
      return await route.handle({ ...request, params: { ...params, id } });
    },
  }));

/** A filter whose `taskId` is an id; 422 for a key that no task has. */
export async function resolveTaskFilter<Filter extends { taskId?: string | undefined }>(
  scope: QueryScope,
  namespaceId: string,
  filter: Filter,
): Promise<Filter> {
  if (filter.taskId === undefined) return filter;
  const taskId = await resolveTaskId(scope, namespaceId, filter.taskId);
  if (taskId !== undefined) return { ...filter, taskId };
  throw invalidField("taskId", `there is no task with the key ${JSON.stringify(filter.taskId)}`);
}
