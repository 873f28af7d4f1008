/** `/v1/dead-letters`: runs whose last attempt failed: list, redrive, discard. */
import { Hono } from "hono";
import { z } from "zod";
import { toWireRun } from "../../core/contracts/run.ts";
import { notFound } from "../../core/errors.ts";
import { isId } from "../../core/store/ids.ts";
import { discardDeadLetter } from "../../core/store/runs/cancel.ts";
import { redriveDeadLetters } from "../../core/store/runs/dead-letters.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { requireScope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import { refuseBody } from "../bodies/refuse-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { answerRunPage } from "../runs/page.ts";

const redriveRequest = z.strictObject({ taskId: z.uuid().optional() });

export function deadLetterRoutes({ store, ringer, ends }: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get("/", requireScope("read"), (context) => answerRunPage(context, store, { dead: true }));

  routes.post("/redrive", requireScope("write"), async (context) => {
    const body = await readJson(context, { optional: true });
    const { taskId } = validate(redriveRequest, body === undefined ? {} : body);
    const runs = await redriveDeadLetters(store, context.get("owner").namespaceId, { taskId });
    ringer.ring(runs);
    return context.json({ redriven: runs.length }, 202);
  });

  routes.post("/:id/redrive", requireScope("write"), refuseBody, async (context) => {
    const { namespaceId } = context.get("owner");
    const id = context.req.param("id");
    const runs = isId(id) ? await redriveDeadLetters(store, namespaceId, { runId: id }) : [];
    if (runs.length === 0) throw notFound("dead letter", id);
    ringer.ring(runs);
    return context.json(toWireRun((await findRun(store, namespaceId, id))!), 202);
  });

  routes.delete("/:id", requireScope("write"), async (context) => {
    const id = context.req.param("id");
    const discarded = isId(id) && (await discardDeadLetter(store, context.get("owner").namespaceId, id));
    if (!discarded) throw notFound("dead letter", id);
    ends.tell([discarded]);
    return context.body(null, 204);
  });

  return routes;
}
