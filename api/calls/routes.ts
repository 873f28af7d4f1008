/** Calling a function by its name. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { nameField } from "../../core/contracts/common.ts";
import type { RunTarget } from "../../core/domain/run-target.ts";
import { notFound } from "../../core/errors.ts";
import { newId } from "../../core/store/ids.ts";
import { requireScope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireName } from "../functions/function-of-path.ts";
import { resolveTarget } from "../functions/resolve-target.ts";
import { markReplay, readIdempotentRequest } from "../http/idempotency.ts";
import { answerProblem } from "../http/problem.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { toInvocationError } from "./call-end.ts";
import { callerOf } from "./caller.ts";
import { type FunctionCall, invokeAndWait, startInvocation } from "./invoke.ts";
import { readTrafficKey } from "./traffic-key.ts";

const targetQuery = z.object({ tag: nameField.optional(), revision: z.string().max(64).optional() });

/** `?tag=` or `?revision=` (its id or number): 422 where the function has none such. */
async function readTarget(
  { store }: ApiParts,
  context: Context<ApiEnv>,
  functionId: string,
): Promise<RunTarget | undefined> {
  const { tag, revision } = validate(targetQuery, context.req.query());
  return await resolveTarget(store.db, functionId, { tag, revision });
}

/** The only one that has the input. */
async function readCall(parts: ApiParts, context: Context<ApiEnv>): Promise<FunctionCall> {
  const input = (await readJson(context, { optional: true })) ?? null;
  const name = requireName(context);
  const fn = await parts.callables.find(context.get("owner").namespace, name);
  if (!fn) throw notFound("function", name);
  return {
    ...{ runId: newId(), fn, trigger: "invoke", input },
    target: await readTarget(parts, context, fn.id),
    trafficKey: readTrafficKey(context),
    traceparent: traceparentOf(context),
    once: readIdempotentRequest(context, `functions/${name}/invoke`, [input, { ...context.req.query() }]),
  };
}

export function callRoutes(parts: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.post("/:name/invoke", requireScope("invoke"), async (context) => {
    const call = await readCall(parts, context);
    if (/\brespond-async\b/i.test(context.req.header("prefer") ?? "")) {
      const { runId, isReplay } = await startInvocation(parts, call, false);
      if (isReplay) markReplay(context);
      context.header("bellhop-run-id", runId);
      context.header("location", `/v1/runs/${runId}`);
      context.header("preference-applied", "respond-async");
      return context.json({ runId }, 202);
    }
    const { runId, isReplay, end } = await invokeAndWait(parts, call, callerOf(context, parts));
    if (isReplay) markReplay(context);
    context.header("bellhop-run-id", runId);
    if (end?.state === "succeeded") return context.json(end.result);
    return answerProblem(context, toInvocationError(end, runId));
  });

  return routes;
}
