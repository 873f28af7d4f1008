/** A task's webhooks: their tokens are shown once. */

import { idParam, pageOf } from "../../core/contracts/common.ts";
import {
  createdTaskHookOutput,
  taskHookInput,
  taskHookOutput,
  toWireTaskHook,
} from "../../core/contracts/hook.ts";
import { taskParam } from "../../core/contracts/task-key.ts";
import { notFound } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { createHook, listHooks, removeHook } from "../../core/store/functions/hooks.ts";
import { isId } from "../../core/store/ids.ts";
import { resolveTaskId } from "../../core/store/tasks/keys.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import { type AuditSpec, defineRoute, type Route } from "../http/route.ts";
import { showToken } from "./show-token.ts";
import { requireHookSecrets } from "./verify-delivery.ts";

const ofTask = { task: taskParam };

async function requireTask(scope: QueryScope, namespaceId: string, name: string): Promise<string> {
  const taskId = await resolveTaskId(scope, namespaceId, name);
  if (taskId && (await findTask(scope, namespaceId, taskId))) return taskId;
  throw notFound("task", name);
}

const audit = (resource: string): AuditSpec => ({
  resource,
  identify: async ({ parts: { store }, owner: { namespaceId }, params: { task } }) => ({
    task: await resolveTaskId(store, namespaceId, task!),
  }),
  async read({ parts: { store }, params: { task, hook, id = hook } }) {
    const found = (await listHooks(store.db, { taskId: task! })).find((each) => each.id === id);
    return found && toWireTaskHook(found);
  },
});

export const taskHookRoutes: Route[] = [
  defineRoute({
    method: "POST",
    path: "/v1/tasks/:task/hooks",
    operationId: "createTaskHook",
    summary: "Create a hook of a task",
    description: "Each call creates a run of the task with the body of the call.",
    access: "write",
    audit: audit("tasks/:task/hooks/:id"),
    params: ofTask,
    body: { schema: taskHookInput, isOptional: true },
    answers: { 201: { is: "The hook with its token.", schema: createdTaskHookOutput } },
    errors: { 404: ["not_found"], 409: ["too_many_hooks"], 422: ["unknown_secret"] },
    async handle({ parts, context, owner: { namespaceId }, params: { task }, body: asked }) {
      const taskId = await requireTask(parts.store, namespaceId, task);
      await requireHookSecrets(parts.store, namespaceId, asked.verify);
      const made = await createHook(parts.store.db, { taskId }, asked);
      if (!made) throw notFound("task", task);
      context.header("cache-control", "no-store");
      return { status: 201, body: { ...toWireTaskHook(made.hook), ...showToken(parts, made.token) } };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/tasks/:task/hooks",
    operationId: "listTaskHooks",
    summary: "List a task's hooks",
    access: "read",
    params: ofTask,
    answers: { 200: { is: "All hooks, without their tokens.", schema: pageOf(taskHookOutput) } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner: { namespaceId }, params: { task } }) {
      const hooks = await listHooks(store.db, { taskId: await requireTask(store, namespaceId, task) });
      return { status: 200, body: { items: hooks.map(toWireTaskHook), nextCursor: null } };
    },
  }),

  defineRoute({
    method: "DELETE",
    path: "/v1/tasks/:task/hooks/:hook",
    operationId: "removeTaskHook",
    summary: "Remove a hook of a task",
    description: "Its token is invalid from then on.",
    access: "write",
    audit: audit("tasks/:task/hooks/:hook"),
    params: { ...ofTask, hook: idParam("The hook's id.") },
    answers: { 204: { is: "The hook is removed." } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner: { namespaceId }, params: { task, hook } }) {
      const taskId = await requireTask(store, namespaceId, task);
      if (!isId(hook) || !(await removeHook(store.db, { taskId }, hook))) throw notFound("hook", hook);
      return { status: 204 };
    },
  }),
];
