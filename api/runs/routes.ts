/** `/v1/runs`: list, get, logs, cancel. */
import { Hono } from "hono";
import { toPage } from "../../core/contracts/common.ts";
import { runLogQuery } from "../../core/contracts/log-query.ts";
import { type Run, toWireInput, toWireLogLine, toWireRun } from "../../core/contracts/run.ts";
import { conflict, notFound } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { isId } from "../../core/store/ids.ts";
import { listRunLogs } from "../../core/store/logs.ts";
import { cancelRuns } from "../../core/store/runs/cancel.ts";
import { findRun, findRunInput } from "../../core/store/runs/read.ts";
import { requireScope } from "../auth/scopes.ts";
import { validate } from "../bodies/body.ts";
import { refuseBody } from "../bodies/refuse-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { decodeLogCursor } from "../http/cursor.ts";
import { answerRunPage } from "./page.ts";

export function runRoutes({ store, notifier, ends }: ApiParts): Hono<ApiEnv> {
  const { db } = store;
  const routes = new Hono<ApiEnv>();

  async function requireRun(namespaceId: string, id: string) {
    const run = isId(id) ? await findRun(store, namespaceId, id) : undefined;
    if (!run) throw notFound("run", id);
    return run;
  }

  /** With its input, which a list leaves out. */
  async function showRun(run: Run): Promise<JsonObject> {
    const stored = run.taskId === null ? await findRunInput(store, run.id) : null;
    return { ...toWireRun(run), ...toWireInput(run, stored) };
  }

  routes.get("/", requireScope("read"), (context) => answerRunPage(context, store, {}));

  routes.get("/:id", requireScope("read"), async (context) =>
    context.json(await showRun(await requireRun(context.get("owner").namespaceId, context.req.param("id")))),
  );

  routes.get("/:id/logs", requireScope("read"), async (context) => {
    const run = await requireRun(context.get("owner").namespaceId, context.req.param("id"));
    const { limit, cursor, level, q: text } = validate(runLogQuery, context.req.query());
    const rows = await listRunLogs(db, run.id, limit, decodeLogCursor(cursor), { level, text });
    return context.json(toPage(rows, limit, toWireLogLine, ({ position }) => position));
  });

  routes.post("/:id/cancel", requireScope("write"), refuseBody, async (context) => {
    const { namespaceId } = context.get("owner");
    const run = await requireRun(namespaceId, context.req.param("id"));
    const { ended, asked } = await cancelRuns(store, namespaceId, { runId: run.id });
    if (ended.length + asked.length === 0)
      throw conflict(`A ${run.state} run cannot be cancelled.`, "run_not_open");
    if (asked.length > 0) notifier.notify("bellhop_cancel", asked);
    ends.tell(ended);
    return context.json(toWireRun(await requireRun(namespaceId, run.id)), asked.length > 0 ? 202 : 200);
  });

  return routes;
}
