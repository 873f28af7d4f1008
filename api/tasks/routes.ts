/** `/v1/tasks`: create, list, get, change, cancel, pause, resume, run now, and a task's runs. */

import { z } from "zod";
import {
  filteredPageOf,
  jsonOutput,
  listQuery,
  pageOf,
  toFilteredPage,
  toPage,
} from "../../core/contracts/common.ts";
import { joinedRunOutput, runOutput, toWireRun } from "../../core/contracts/run.ts";
import { taskRunListQuery } from "../../core/contracts/run-filter.ts";
import { runNowInput } from "../../core/contracts/run-now.ts";
import { taskChangeOutput, toWireTaskChange } from "../../core/contracts/task-change.ts";
import { taskListQuery } from "../../core/contracts/task-filter.ts";
import { newTask, taskInput } from "../../core/contracts/task-input.ts";
import {
  createdTaskOutput,
  type Task,
  taskOutput,
  toWireCreated,
  toWireTask,
} from "../../core/contracts/task-output.ts";
import { notFound } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { isId } from "../../core/store/ids.ts";
import { demandRoom } from "../../core/store/namespace-limits.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { listTaskChanges } from "../../core/store/tasks/changes.ts";
import { estimateTasks, findTask, listTasks } from "../../core/store/tasks/read.ts";
import { changeTask } from "../../core/store/tasks/redefine.ts";
import { readJsonBody } from "../bodies/body.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Feature, LazyBody, type Route, type RouteSettings } from "../http/route.ts";
import { spanOf, traceparentOf } from "../http/trace-requests.ts";
import { lookForQueues } from "../queues/known-queues.ts";
import { readRunPage } from "../runs/page.ts";
import { applyRoute } from "./apply.ts";
import { taskAudit } from "./audit-task.ts";
import { backfillRoute } from "./backfill.ts";
import { batchRoute } from "./batch.ts";
import { createTask } from "./create.ts";
import { readNewTask, readTaskBody } from "./http-body.ts";
import { mergeTask } from "./merge.ts";
import { ofTask } from "./name-task.ts";
import { putRoute } from "./put-route.ts";
import { requireRunnable } from "./require-runnable.ts";
import { runNow } from "./run-now.ts";
import { stateRoutes } from "./state-routes.ts";
import { taskEntity } from "./task-entity.ts";

export const taskFeature = (settings: RouteSettings): Feature => ({
  tag: "Tasks",
  description: "What to run, when, and how.",
  routes: [
    ...writingRoutes(settings),
    ...readingRoutes,
    ...stateRoutes,
    ...historyRoutes,
    ...runRoutes,
    ...ofTask([backfillRoute(settings)]),
  ],
});

const taskPatch = z.record(z.string(), jsonOutput).meta({
  description:
    "The fields that change, merged as RFC 7396 has it; `input` and an HTTP task's `body` are replaced as a whole.",
  examples: [{ timeout: "2m", labels: null }],
});

async function requireTask(scope: QueryScope, namespaceId: string, id: string): Promise<Task> {
  const task = isId(id) ? await findTask(scope, namespaceId, id) : undefined;
  if (!task) throw notFound("task", id);
  return task;
}

function writingRoutes({ time }: RouteSettings): Route[] {
  const now = () => time.now();
  const [schema, ofNew] = [taskInput(now), newTask(now)];
  return [
    defineRoute({
      method: "POST",
      path: "/v1/tasks",
      operationId: "createTask",
      summary: "Create a task",
      access: "write",
      audit: { not: "Tasks are made by the thousand: a task says itself who made it." },
      ownBody: { content: { "application/json": ofNew.schema } },
      keepsSource: true,
      mayBeMinimal: true,
      answers: {
        200: {
          is: "The task that was created with the same content, within the window of `dedup`; or, with `debounce`, the one that this replaces.",
          schema: createdTaskOutput,
          headers: ["bellhop-deduplicated", "location"],
        },
        201: { is: "The task.", schema: createdTaskOutput, headers: ["location"] },
      },
      errors: {
        404: ["not_found"],
        409: ["duplicate_under_way", "limit_exceeded", "task_key_taken"],
        422: ["unknown_calendar", "unknown_function", "unknown_queue", "unknown_secret"],
      },
      async handle({ parts, context, owner: { namespaceId, keyId: by, limits } }) {
        const given = readNewTask(await readJsonBody(context));
        const request = {
          namespaceId,
          limits,
          by,
          body: given,
          traceparent: traceparentOf(context),
          mayJoin: true,
        };
        const created = await createTask(parts, request, ofNew);
        const { id } = created.task;
        spanOf(context).set({ "bellhop.task.id": id });
        // Who makes tasks by the thousand asks for no more than their ids.
        const body = new LazyBody(() => toWireCreated(created));
        const location = `/v1/tasks/${id}`;
        if (created.joined) return { status: 200, body, headers: { location } };
        if (!created.isDuplicate) return { status: 201, body, headers: { location } };
        return { status: 200, body, headers: { location, "bellhop-deduplicated": "true" } };
      },
    }),

    batchRoute(ofNew),
    applyRoute(schema),
    putRoute(schema),

    ...ofTask([
      defineRoute({
        method: "PATCH",
        path: "/v1/tasks/:id",
        operationId: "changeTask",
        summary: "Change a task",
        access: "write",
        audit: taskAudit,
        ownBody: { content: { "application/json": taskPatch } },
        keepsSource: true,
        entity: taskEntity,
        mayBeMinimal: true,
        answers: { 200: { is: "The task.", schema: taskOutput } },
        errors: {
          404: ["not_found"],
          409: ["limit_exceeded", "task_cancelled", "task_key_taken"],
          422: ["unknown_calendar", "unknown_function", "unknown_queue", "unknown_secret"],
        },
        async handle({
          parts: { store, notifier, ringer, mail },
          context,
          owner: { namespaceId, keyId, limits },
          params: { id },
        }) {
          const given = await readJsonBody(context);
          const decide = async (current: Task, tx: QueryScope, isStoredCompleted: boolean) => {
            const body = readTaskBody(given, current.spec.type === "http");
            const { input, reschedules } = mergeTask(schema, current, body);
            await requireCallable(tx, namespaceId, input.on, mail);
            if (reschedules && isStoredCompleted) await demandRoom(tx, namespaceId, limits, "tasks", 1);
            // That of a task which is over may have been deleted since.
            const keepsQueue = !reschedules && input.policy.queue === current.policy.queue;
            const queues = keepsQueue ? undefined : lookForQueues(tx);
            return {
              ...(await requireRunnable(tx, namespaceId, input, { mail, queues })),
              reschedules,
              now: time.now(),
            };
          };
          const changed = await changeTask(store, namespaceId, id, time.now(), decide, keyId);
          notifier.notify("bellhop_schedule");
          ringer.ring(changed.waiting);
          return { status: 200, body: toWireTask(changed.task) };
        },
      }),
    ]),
  ];
}

const readingRoutes: Route[] = [
  defineRoute({
    method: "GET",
    path: "/v1/tasks",
    operationId: "listTasks",
    summary: "List tasks, newest first, or those that match",
    access: "read",
    query: taskListQuery,
    keepsSource: true,
    answers: { 200: { is: "A page of tasks.", schema: filteredPageOf(taskOutput) } },
    async handle({ parts: { store }, owner: { namespaceId }, query }) {
      const { limit, cursor, order, count, ...filter } = query;
      const page = { limit, order, afterId: decodeIdCursor(cursor) };
      const found = await listTasks(store, namespaceId, filter, page);
      const estimatedCount = count && (await estimateTasks(store, namespaceId, filter));
      return { status: 200, body: toFilteredPage({ ...found, estimatedCount }, toWireTask) };
    },
  }),

  ...ofTask([
    defineRoute({
      method: "GET",
      path: "/v1/tasks/:id",
      operationId: "getTask",
      summary: "Get a task",
      access: "read",
      keepsSource: true,
      entity: taskEntity,
      answers: { 200: { is: "The task.", schema: taskOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store }, owner, params: { id } }) {
        return { status: 200, body: toWireTask(await requireTask(store, owner.namespaceId, id)) };
      },
    }),
  ]),
];

const historyRoutes: Route[] = ofTask([
  defineRoute({
    method: "GET",
    path: "/v1/tasks/:id/changes",
    operationId: "listTaskChanges",
    summary: "List what was done to a task, newest first",
    access: "read",
    query: listQuery,
    answers: { 200: { is: "A page of changes.", schema: pageOf(taskChangeOutput) } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner: { namespaceId }, params: { id }, query: { limit, cursor } }) {
      await requireTask(store, namespaceId, id);
      const rows = await listTaskChanges(store, id, limit, decodeIdCursor(cursor));
      return { status: 200, body: toPage(rows, limit, toWireTaskChange, (change) => change.id) };
    },
  }),
]);

const runRoutes: Route[] = ofTask([
  defineRoute({
    method: "POST",
    path: "/v1/tasks/:id/run",
    operationId: "runTask",
    summary: "Run a task now, in addition to its schedule",
    description: "You may give a function task another `input`, and an HTTP task another `body`.",
    access: "invoke",
    audit: { not: "A run is a record of its own." },
    ownBody: { content: { "application/json": runNowInput }, isOptional: true },
    answers: {
      200: {
        is: "The run that was created with the same content, within the window of `dedup`.",
        schema: runOutput,
        headers: ["bellhop-deduplicated", "location"],
      },
      202: { is: "The run, queued.", schema: joinedRunOutput, headers: ["location"] },
    },
    errors: {
      404: ["not_found"],
      409: ["duplicate_under_way", "task_cancelled"],
      422: ["unknown_queue", "unknown_secret"],
    },
    async handle({ parts, context, owner: { namespaceId }, params: { id } }) {
      const { runId, joined, isDuplicate } = await runNow(parts, context, id);
      const run = toWireRun((await findRun(parts.store, namespaceId, runId))!);
      const body = { ...run, ...(joined !== undefined && { joined }) };
      const location = `/v1/runs/${runId}`;
      if (!isDuplicate) return { status: 202, body, headers: { location } };
      return { status: 200, body, headers: { location, "bellhop-deduplicated": "true" } };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/tasks/:id/runs",
    operationId: "listTaskRuns",
    summary: "List a task's runs, newest first, or those that match",
    access: "read",
    query: taskRunListQuery,
    answers: { 200: { is: "A page of runs.", schema: filteredPageOf(runOutput) } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner: { namespaceId }, params: { id }, query }) {
      await requireTask(store, namespaceId, id);
      return { status: 200, body: await readRunPage(store, namespaceId, query, { taskId: id }) };
    },
  }),
]);
