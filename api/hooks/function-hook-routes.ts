/** A function's webhooks: their tokens are shown once. */

import { idParam, pageOf } from "../../core/contracts/common.ts";
import { functionNameParam } from "../../core/contracts/function.ts";
import { createdHookOutput, hookInput, hookOutput, toWireHook } from "../../core/contracts/hook.ts";
import { notFound } from "../../core/errors.ts";
import { createHook, listHooks, removeHook } from "../../core/store/functions/hooks.ts";
import { isId } from "../../core/store/ids.ts";
import { requireFunction } from "../functions/function-of-path.ts";
import { resolveTarget } from "../functions/resolve-target.ts";
import type { AuditSpec } from "../http/route.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { lookForQueues } from "../queues/known-queues.ts";
import { requireQueue } from "../queues/require-queue.ts";
import { showToken } from "./show-token.ts";
import { requireHookSecrets } from "./verify-delivery.ts";

const ofFunction = { name: functionNameParam };

const audit = (resource: string): AuditSpec => ({
  resource,
  async read({ parts: { store }, owner: { namespaceId }, params: { name, hook, id = hook } }) {
    const fn = await requireFunction(store.db, namespaceId, name!);
    const found = (await listHooks(store.db, { functionId: fn.id })).find((each) => each.id === id);
    return found && toWireHook(found);
  },
});

export const functionHookRoutes: Route[] = [
  defineRoute({
    method: "POST",
    path: "/v1/functions/:name/hooks",
    operationId: "createHook",
    summary: "Create a hook",
    access: "deploy",
    audit: audit("functions/:name/hooks/:id"),
    params: ofFunction,
    body: { schema: hookInput, isOptional: true },
    answers: { 201: { is: "The hook with its token.", schema: createdHookOutput } },
    errors: { 404: ["not_found"], 409: ["too_many_hooks"], 422: ["unknown_queue", "unknown_secret"] },
    async handle({ parts, context, owner, params: { name }, body: input }) {
      const { db } = parts.store;
      const fn = await requireFunction(db, owner.namespaceId, name);
      await resolveTarget(db, fn.id, { tag: input.tag ?? undefined });
      await requireQueue(lookForQueues(parts.store), owner.namespaceId, input.queue);
      const { name: hookName, tag, maxAttempts, verify, rate, ...place } = input;
      await requireHookSecrets(parts.store, owner.namespaceId, verify);
      const asked = { name: hookName, tag, maxAttempts, place, verify, rate };
      const made = await createHook(db, { functionId: fn.id }, asked);
      if (!made) throw notFound("function", fn.name);
      context.header("cache-control", "no-store");
      return { status: 201, body: { ...toWireHook(made.hook), ...showToken(parts, made.token) } };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/functions/:name/hooks",
    operationId: "listHooks",
    summary: "List a function's hooks",
    access: "read",
    params: ofFunction,
    answers: { 200: { is: "All hooks, without their tokens.", schema: pageOf(hookOutput) } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner, params: { name } }) {
      const fn = await requireFunction(store.db, owner.namespaceId, name);
      const hooks = await listHooks(store.db, { functionId: fn.id });
      return { status: 200, body: { items: hooks.map(toWireHook), nextCursor: null } };
    },
  }),

  defineRoute({
    method: "DELETE",
    path: "/v1/functions/:name/hooks/:hook",
    operationId: "removeHook",
    summary: "Remove a hook",
    description: "Its token is invalid from then on.",
    access: "deploy",
    audit: audit("functions/:name/hooks/:hook"),
    params: { ...ofFunction, hook: idParam("The hook's id.") },
    answers: { 204: { is: "The hook is removed." } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner, params: { name, hook } }) {
      const fn = await requireFunction(store.db, owner.namespaceId, name);
      if (!isId(hook) || !(await removeHook(store.db, { functionId: fn.id }, hook)))
        throw notFound("hook", hook);
      return { status: 204 };
    },
  }),
];
