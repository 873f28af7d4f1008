/** A function's webhooks: their tokens are shown once. */
import { Hono } from "hono";
import { hookInput, toWireHook } from "../../core/contracts/hook.ts";
import { notFound } from "../../core/errors.ts";
import { createHook, listHooks, removeHook } from "../../core/store/functions/hooks.ts";
import { isId } from "../../core/store/ids.ts";
import { requireScope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireFunction } from "../functions/function-of-path.ts";
import { resolveTarget } from "../functions/resolve-target.ts";

export function hookRoutes({ store }: ApiParts): Hono<ApiEnv> {
  const { db } = store;
  const routes = new Hono<ApiEnv>();

  routes.post("/:name/hooks", requireScope("deploy"), async (context) => {
    const fn = await requireFunction(db, context);
    const input = validate(hookInput, (await readJson(context, { optional: true })) ?? {});
    await resolveTarget(db, fn.id, { tag: input.tag ?? undefined });
    const made = await createHook(db, fn.id, input);
    if (!made) throw notFound("function", fn.name);
    const { hook, token } = made;
    context.header("cache-control", "no-store");
    return context.json({ ...toWireHook(hook), token, url: `/hooks/${token}` }, 201);
  });

  routes.get("/:name/hooks", requireScope("read"), async (context) => {
    const fn = await requireFunction(db, context);
    return context.json({ items: (await listHooks(db, fn.id)).map(toWireHook), nextCursor: null });
  });

  routes.delete("/:name/hooks/:hook", requireScope("deploy"), async (context) => {
    const fn = await requireFunction(db, context);
    const hookId = context.req.param("hook");
    if (!isId(hookId) || !(await removeHook(db, fn.id, hookId))) throw notFound("hook", hookId);
    return context.body(null, 204);
  });

  return routes;
}
