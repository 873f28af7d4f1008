/** `/v1/invalid-tasks`: what applications enqueued in transactions of their own and could not be made. */
import { idParam, listQuery, pageOf, toPage } from "../../core/contracts/common.ts";
import { invalidTaskOutput, toWireInvalidTask } from "../../core/contracts/invalid-task.ts";
import { notFound } from "../../core/errors.ts";
import { listInvalidTasks, removeInvalidTask } from "../../core/store/enqueue/enqueued-tasks.ts";
import { isId } from "../../core/store/ids.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";

export const enqueueFeature: Feature = {
  tag: "Invalid tasks",
  description: "Tasks that applications enqueued in their own transactions and that could not be created.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/invalid-tasks",
      operationId: "listInvalidTasks",
      summary: "List enqueued tasks that could not be created, newest first",
      access: "read",
      query: listQuery,
      keepsSource: true,
      answers: { 200: { is: "A page of invalid tasks.", schema: pageOf(invalidTaskOutput) } },
      async handle({ parts: { store }, owner: { namespaceId }, query: { limit, cursor } }) {
        const found = await listInvalidTasks(store, namespaceId, { limit, beforeId: decodeIdCursor(cursor) });
        const { items, nextCursor } = toPage(found, limit, toWireInvalidTask, ({ id }) => id);
        return { status: 200, body: { items, nextCursor } };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/invalid-tasks/:id",
      operationId: "deleteInvalidTask",
      summary: "Remove an enqueued task that could not be created",
      access: "write",
      audit: { resource: "invalid-tasks/:id", summarize: () => ({}) },
      params: { id: idParam("The task's id.") },
      answers: { 204: { is: "The invalid task is removed." } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store }, owner: { namespaceId }, params: { id } }) {
        if (!isId(id) || !(await removeInvalidTask(store, namespaceId, id)))
          throw notFound("invalid task", id);
        return { status: 204 };
      },
    }),
  ],
};
