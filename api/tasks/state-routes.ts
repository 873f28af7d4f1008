/** Cancelling, removing, pausing and resuming a task. */

import { taskOutput, toWireTask } from "../../core/contracts/task-output.ts";
import { cancelTask, removeTask } from "../../core/store/tasks/end.ts";
import { pauseTask, resumeTask } from "../../core/store/tasks/pause-resume.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { announceCancelled } from "./announce-cancelled.ts";
import { taskAudit as audit } from "./audit-task.ts";
import { ofTask } from "./name-task.ts";
import { taskEntity } from "./task-entity.ts";

const answers = { 200: { is: "The task.", schema: taskOutput } } as const;

export const stateRoutes: Route[] = ofTask([
  defineRoute({
    method: "DELETE",
    path: "/v1/tasks/:id",
    operationId: "deleteTask",
    summary: "Remove a task",
    description: "Its waiting runs are cancelled. Its runs stay readable until the retention.",
    access: "write",
    audit,
    entity: taskEntity,
    answers: { 204: { is: "The task is removed." } },
    errors: { 404: ["not_found"] },
    async handle({ parts, owner, params: { id } }) {
      const { store, time } = parts;
      announceCancelled(parts, await removeTask(store, owner.namespaceId, id, time.now()));
      return { status: 204 };
    },
  }),

  defineRoute({
    method: "POST",
    path: "/v1/tasks/:id/cancel",
    operationId: "cancelTask",
    summary: "Cancel a task",
    description:
      "Ends the task and its waiting runs, and asks active ones to stop. You may repeat the request.",
    access: "write",
    audit,
    keepsSource: true,
    entity: taskEntity,
    mayBeMinimal: true,
    answers,
    errors: { 404: ["not_found"] },
    async handle({ parts, owner, params: { id } }) {
      const { store, time } = parts;
      const { task, runs } = await cancelTask(store, owner.namespaceId, id, time.now(), owner.keyId);
      announceCancelled(parts, runs);
      return { status: 200, body: toWireTask(task) };
    },
  }),

  defineRoute({
    method: "POST",
    path: "/v1/tasks/:id/pause",
    operationId: "pauseTask",
    summary: "Pause a task",
    access: "write",
    audit,
    keepsSource: true,
    entity: taskEntity,
    mayBeMinimal: true,
    answers,
    errors: { 404: ["not_found"], 409: ["task_cancelled", "task_completed"] },
    async handle({ parts: { store, time }, owner, params: { id } }) {
      const task = await pauseTask(store, owner.namespaceId, id, time.now(), owner.keyId);
      return { status: 200, body: toWireTask(task) };
    },
  }),

  defineRoute({
    method: "POST",
    path: "/v1/tasks/:id/resume",
    operationId: "resumeTask",
    summary: "Resume a task",
    access: "write",
    audit,
    keepsSource: true,
    entity: taskEntity,
    mayBeMinimal: true,
    answers,
    errors: { 404: ["not_found"], 409: ["task_cancelled", "task_completed"] },
    async handle({ parts: { store, time, notifier }, owner, params: { id } }) {
      const task = await resumeTask(store, owner.namespaceId, id, time.now(), owner.keyId);
      notifier.notify("bellhop_schedule");
      return { status: 200, body: toWireTask(task) };
    },
  }),
]);
