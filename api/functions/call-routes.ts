/** Calling a function by its name. */
import { Hono } from "hono";
import { newId } from "../../core/store/ids.ts";
import { requireScope } from "../auth.ts";
import { readJson } from "../body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { answerProblem } from "../problem.ts";
import { requireName } from "./function-of-path.ts";
import { invokeAndWait, startInvocation, toInvocationError } from "./invoke.ts";

export function callRoutes(parts: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.post("/:name/invoke", requireScope("invoke"), async (context) => {
    const input = (await readJson(context, { optional: true })) ?? null;
    const target = {
      namespaceId: context.get("owner").namespaceId,
      functionName: requireName(context),
      input,
    };
    if (/\brespond-async\b/i.test(context.req.header("prefer") ?? "")) {
      const runId = newId();
      await startInvocation(parts, target, runId, false);
      context.header("bellhop-run-id", runId);
      context.header("location", `/v1/runs/${runId}`);
      context.header("preference-applied", "respond-async");
      return context.json({ runId }, 202);
    }
    const { runId, run } = await invokeAndWait(
      parts,
      target,
      AbortSignal.any([context.req.raw.signal, parts.stopping]),
    );
    context.header("bellhop-run-id", runId);
    if (run?.state === "succeeded") return context.json(run.result);
    return answerProblem(context, toInvocationError(run));
  });

  return routes;
}
