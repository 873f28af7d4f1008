/** Calling a function by its name. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { nameField } from "../../core/contracts/common.ts";
import type { RunTarget } from "../../core/domain/run-target.ts";
import { newId } from "../../core/store/ids.ts";
import { requireScope } from "../auth.ts";
import { readJson, validate } from "../body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { answerProblem } from "../problem.ts";
import { requireFunction, requireName } from "./function-of-path.ts";
import { invokeAndWait, startInvocation, toInvocationError } from "./invoke.ts";
import { resolveTarget } from "./resolve-target.ts";

const targetQuery = z.object({ tag: nameField.optional(), revision: z.string().max(64).optional() });

/** `?tag=` or `?revision=` (its id or number): 422 where the function has none such. */
async function readTarget({ store }: ApiParts, context: Context<ApiEnv>): Promise<RunTarget | undefined> {
  const { tag, revision } = validate(targetQuery, context.req.query());
  if (tag === undefined && revision === undefined) return undefined;
  const fn = await requireFunction(store.db, context);
  return await resolveTarget(store.db, fn.id, { tag, revision });
}

export function callRoutes(parts: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.post("/:name/invoke", requireScope("invoke"), async (context) => {
    const input = (await readJson(context, { optional: true })) ?? null;
    const target = {
      namespaceId: context.get("owner").namespaceId,
      functionName: requireName(context),
      input,
      target: await readTarget(parts, context),
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
