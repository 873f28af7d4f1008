/** `/v1/tasks`: create, list, get, change, cancel, remove, pause, resume, run now, and a task's runs. */
import { type Context, Hono } from "hono";
import { listQuery, toPage } from "../../core/contracts/common.ts";
import { toWireRun } from "../../core/contracts/run.ts";
import { taskInput } from "../../core/contracts/task-input.ts";
import { type Task, toWireTask } from "../../core/contracts/task-output.ts";
import { notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { writeJson } from "../../core/json-source.ts";
import { findFunctionId } from "../../core/store/functions/functions.ts";
import { findMade, makeOnce } from "../../core/store/idempotency.ts";
import { isId, newId } from "../../core/store/ids.ts";
import type { Cancelled } from "../../core/store/runs/cancel.ts";
import { enqueueTaskRun } from "../../core/store/runs/enqueue.ts";
import { findFirstRunId, findRun } from "../../core/store/runs/read.ts";
import { cancelTask, changeTask, pauseTask, removeTask, resumeTask } from "../../core/store/tasks/change.ts";
import { createTask } from "../../core/store/tasks/create.ts";
import { findTask, listTasks } from "../../core/store/tasks/read.ts";
import { requireScope } from "../auth/scopes.ts";
import { readJsonBody, validate } from "../bodies/body.ts";
import { refuseBody } from "../bodies/refuse-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { markReplay, readIdempotentRequest } from "../http/idempotency.ts";
import { spanOf, traceparentOf } from "../http/trace-requests.ts";
import { answerRunPage } from "../runs/page.ts";
import { readTaskBody } from "./http-body.ts";
import { mergeTask } from "./merge.ts";
import { requireSender } from "./require-sender.ts";
import { resolveFunction } from "./resolve-function.ts";

export function taskRoutes({ store, clock, ringer, notifier, ends, mail }: ApiParts): Hono<ApiEnv> {
  const { db } = store;
  const schema = taskInput(() => clock.now());
  const routes = new Hono<ApiEnv>();

  routes.post("/", requireScope("write"), async (context) => {
    const { namespaceId } = context.get("owner");
    const given = await readJsonBody(context);
    const isHttp = (given.value as { type?: Json } | null)?.type === "http";
    const body = readTaskBody(given, isHttp);
    const once = readIdempotentRequest(context, "tasks", [body]);
    // Before the body is looked at: what was fine then may lie in the past by now.
    const earlier = once && (await findMade(store, once));
    if (earlier !== undefined) return await answerCreated(context, earlier, body);
    const input = validate(schema, body);
    requireSender(input.spec, mail);
    const { spec, functionId } = await resolveFunction(db, input.spec, (name) =>
      findFunctionId(store, namespaceId, name),
    );
    const taskId = newId();
    const { id, made } = await makeOnce(store, once, taskId, (scope) =>
      createTask(scope, {
        namespaceId,
        input: { ...input, spec },
        functionId,
        now: clock.now(),
        id: taskId,
        traceparent: traceparentOf(context),
      }),
    );
    if (!made) return await answerCreated(context, id, body);
    spanOf(context).set({ "bellhop.task.id": id });
    if (made.run) ringer.ring([made.run]);
    else notifier.notify("bellhop_schedule");
    return answerMade(context, made.task, made.run?.runId);
  });

  /** The task that an earlier request made, as it stands now; 404 where it was removed. */
  async function answerCreated(context: Context<ApiEnv>, id: string, body: Json): Promise<Response> {
    markReplay(context);
    const task = await findTask(store, context.get("owner").namespaceId, id);
    if (!task) throw notFound("task", id);
    const ranAtOnce = ((body as { schedule?: Json }).schedule ?? null) === null;
    return answerMade(context, task, ranAtOnce ? await findFirstRunId(store, id) : undefined);
  }

  routes.get("/", requireScope("read"), async (context) => {
    const { namespaceId } = context.get("owner");
    const { limit, cursor } = validate(listQuery, context.req.query());
    const rows = await listTasks(store, namespaceId, limit, decodeIdCursor(cursor));
    return answerJson(
      context,
      toPage(rows, limit, toWireTask, ({ id }) => id),
    );
  });

  routes.get("/:id", requireScope("read"), async (context) => {
    const id = context.req.param("id");
    const task = isId(id) ? await findTask(store, context.get("owner").namespaceId, id) : undefined;
    if (!task) throw notFound("task", id);
    return answerTask(context, task);
  });

  routes.patch("/:id", requireScope("write"), async (context) => {
    const { namespaceId } = context.get("owner");
    const given = await readJsonBody(context);
    const id = context.req.param("id");
    const task = await changeTask(store, namespaceId, id, clock.now(), async (current, tx) => {
      const body = readTaskBody(given, current.spec.type === "http");
      const change = await mergeTask(tx, schema, current, body);
      requireSender(change.input.spec, mail);
      return change;
    });
    notifier.notify("bellhop_schedule");
    return answerTask(context, task);
  });

  routes.delete("/:id", requireScope("write"), async (context) => {
    const { namespaceId } = context.get("owner");
    announceCancelled(await removeTask(store, namespaceId, context.req.param("id"), clock.now()));
    return context.body(null, 204);
  });

  routes.post("/:id/cancel", requireScope("write"), refuseBody, async (context) => {
    const { namespaceId } = context.get("owner");
    const { task, runs } = await cancelTask(store, namespaceId, context.req.param("id"), clock.now());
    announceCancelled(runs);
    return answerTask(context, task);
  });

  function announceCancelled({ asked, ended }: Cancelled): void {
    if (asked.length > 0) notifier.notify("bellhop_cancel", asked);
    ends.tell(ended);
  }

  routes.post("/:id/pause", requireScope("write"), refuseBody, async (context) =>
    answerTask(
      context,
      await pauseTask(store, context.get("owner").namespaceId, context.req.param("id"), clock.now()),
    ),
  );

  routes.post("/:id/resume", requireScope("write"), refuseBody, async (context) => {
    const task = await resumeTask(
      store,
      context.get("owner").namespaceId,
      context.req.param("id"),
      clock.now(),
    );
    notifier.notify("bellhop_schedule");
    return answerTask(context, task);
  });

  routes.post("/:id/run", requireScope("invoke"), refuseBody, async (context) => {
    const { namespaceId } = context.get("owner");
    const id = context.req.param("id");
    const once = readIdempotentRequest(context, `tasks/${id}/run`, []);
    const earlier = once && (await findMade(store, once));
    if (earlier !== undefined) return await answerRun(context, earlier, true);
    const runId = newId();
    const made = await makeOnce(store, once, runId, async (scope) => {
      const run = isId(id)
        ? await enqueueTaskRun(scope, namespaceId, id, runId, traceparentOf(context))
        : undefined;
      if (!run) throw notFound("task", id);
      return run;
    });
    spanOf(context).set({ "bellhop.task.id": id, "bellhop.run.id": made.id });
    if (made.made) ringer.ring([made.made]);
    return await answerRun(context, made.id, !made.made);
  });

  async function answerRun(context: Context<ApiEnv>, runId: string, isReplay: boolean): Promise<Response> {
    if (isReplay) markReplay(context);
    context.header("location", `/v1/runs/${runId}`);
    const run = await findRun(store, context.get("owner").namespaceId, runId);
    return context.json(toWireRun(run!), 202);
  }

  routes.get("/:id/runs", requireScope("read"), async (context) => {
    const { namespaceId } = context.get("owner");
    const id = context.req.param("id");
    if (!isId(id) || !(await findTask(store, namespaceId, id))) throw notFound("task", id);
    return await answerRunPage(context, store, { taskId: id });
  });

  return routes;
}

function answerTask(context: Context, task: Task): Response {
  return answerJson(context, toWireTask(task));
}

/** @param runId the run that it was made with */
function answerMade(context: Context, task: Task, runId: string | undefined): Response {
  context.header("location", `/v1/tasks/${task.id}`);
  return answerJson(context, { ...toWireTask(task), ...(runId !== undefined && { runId }) }, 201);
}

/** An http body stands in it as its author wrote it. */
function answerJson(context: Context, value: object, status: 200 | 201 = 200): Response {
  return context.body(writeJson(value), status, { "content-type": "application/json" });
}
