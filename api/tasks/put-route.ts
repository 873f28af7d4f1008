import { z } from "zod";
import { examplesOf } from "../../core/contracts/common.ts";
import type { taskInput } from "../../core/contracts/task-input.ts";
import { taskParam } from "../../core/contracts/task-key.ts";
import {
  createdTaskOutput,
  type Task,
  taskOutput,
  toWireCreated,
  toWireTask,
} from "../../core/contracts/task-output.ts";
import { putPlanOutput, putQuery, toWireDiff } from "../../core/contracts/task-set.ts";
import { findKeyFault } from "../../core/domain/task-key.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { isId } from "../../core/store/ids.ts";
import { demandRoom } from "../../core/store/namespace-limits.ts";
import { lockTaskById, lockTasksByKey } from "../../core/store/tasks/keys.ts";
import { inTransaction, type Transaction, tryInTransaction } from "../../core/store/transaction.ts";
import { readJsonBody } from "../bodies/body.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import { defineRoute } from "../http/route.ts";
import { spanOf, traceparentOf } from "../http/trace-requests.ts";
import { taskAudit } from "./audit-task.ts";
import { readNewTask } from "./http-body.ts";
import { putTaskIn, retryTakenKeys } from "./put-task.ts";
import { taskEntity } from "./task-entity.ts";

export const putRoute = (schema: ReturnType<typeof taskInput>) =>
  defineRoute({
    method: "PUT",
    path: "/v1/tasks/:id",
    operationId: "putTask",
    summary: "Set a task's whole definition, by its key",
    description:
      "Creates the task if none has the key. Fields left out get their defaults. A schedule that stays the same keeps its grid, and a pause stays; putting the same definition again changes nothing.",
    access: "write",
    audit: { ...taskAudit, isChange: ({ query }) => (query as z.output<typeof putQuery>).dryRun !== "true" },
    params: { id: taskParam },
    query: putQuery,
    ownBody: { content: { "application/json": schema } },
    keepsSource: true,
    entity: taskEntity,
    mayBeMinimal: true,
    answers: {
      200: {
        is: "The task, as changed; for a dry run, what would be done.",
        schema: z.union([putPlanOutput, taskOutput]).meta({ examples: examplesOf(taskOutput) }),
      },
      201: { is: "The new task.", schema: createdTaskOutput, headers: ["location"] },
    },
    errors: {
      404: ["not_found"],
      409: ["limit_exceeded", "task_cancelled", "task_key_taken"],
      422: ["unknown_calendar", "unknown_function", "unknown_queue", "unknown_secret"],
    },
    async handle({ parts, context, owner: { namespaceId, keyId: by, limits }, params: { id: name }, query }) {
      const { store, time, mail, ringer, notifier, daily } = parts;
      if (!isId(name)) requireKey(name);
      const body = readNewTask(await readJsonBody(context));
      const request = { namespaceId, body, traceparent: traceparentOf(context), by };
      const put = async (tx: Transaction) => {
        const standing = await lockNamed(tx, namespaceId, name);
        const done = await putTaskIn(tx, parts, {
          ...{ ...request, standing, now: time.now() },
          key: chooseKey(name, standing, body),
        });
        await requireCallable(tx, namespaceId, done.task.on, mail);
        if (done.needsRoom) await demandRoom(tx, namespaceId, limits, "tasks", 0);
        if (done.runId) await daily.count(tx, namespaceId);
        return done;
      };
      if (query.dryRun === "true") {
        const { change, diff, task } = await retryTakenKeys(() => tryInTransaction(store.pool, put));
        const shown = { ...toWireTask(task), id: change === "created" ? null : task.id };
        const body = { change, diff: toWireDiff(diff), task: shown };
        return { status: 200, body, isAsked: true };
      }
      const { change, task, runId, runs } = await retryTakenKeys(() => inTransaction(store.pool, put));
      spanOf(context).set({ "bellhop.task.id": task.id });
      ringer.ring(runs);
      if (change !== "unchanged") notifier.notify("bellhop_schedule");
      if (change !== "created") return { status: 200, body: toWireTask(task) };
      const headers = { location: `/v1/tasks/${task.id}` };
      return { status: 201, body: toWireCreated({ task, runId }), headers };
    },
  });

function requireKey(name: string): void {
  const fault = findKeyFault(name);
  if (fault) throw invalidField("key", fault);
}

/** The task that is to be redefined. An id makes no task: it is not of a caller's choosing. */
async function lockNamed(tx: Transaction, namespaceId: string, name: string): Promise<Task | undefined> {
  if (!isId(name)) return (await lockTasksByKey(tx, namespaceId, [name])).get(name);
  const task = await lockTaskById(tx, namespaceId, name);
  if (!task) throw notFound("task", name);
  return task;
}

/** By an id a task keeps its key, unless it is given another. */
function chooseKey(name: string, standing: Task | undefined, body: Json): Json {
  const given = (body as { key?: Json } | null)?.key;
  if (isId(name)) return given === undefined ? (standing?.key ?? null) : given;
  if (given === undefined || given === name) return name;
  throw invalidField("key", `must be ${JSON.stringify(name)}, as in the path, or left out`);
}
