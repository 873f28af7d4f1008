/** Deploying functions, changing them and looking at them. */

import type { Context } from "hono";
import { z } from "zod";
import { listQuery, nameField, pageOf, toPage } from "../../core/contracts/common.ts";
import { functionNameParam, functionPatch, functionUpload } from "../../core/contracts/function.ts";
import {
  deployedFunctionOutput,
  functionOutput,
  toWireFunction,
} from "../../core/contracts/function-output.ts";
import type { NamespaceLimits } from "../../core/domain/namespace-limits.ts";
import { hashRevision } from "../../core/domain/revision-hash.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import {
  changeFunction,
  type Deployed,
  type DeployOptions,
  deployRevision,
  type RevisionContent,
} from "../../core/store/functions/deploy.ts";
import { listFunctions } from "../../core/store/functions/functions.ts";
import { removeFunction } from "../../core/store/functions/remove.ts";
import { findRevision } from "../../core/store/functions/revisions.ts";
import { demandRoom } from "../../core/store/namespace-limits.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import type { ApiParts } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Route, type RouteSettings } from "../http/route.ts";
import { announceChange } from "./announce-change.ts";
import { functionAudit } from "./audit-function.ts";
import { requireName } from "./function-of-path.ts";
import { mergeEnv } from "./merge-env.ts";
import { readFunction } from "./read-function.ts";
import { readUpload } from "./upload.ts";

const params = { name: functionNameParam };

export function deployRoutes({ functionCaps }: RouteSettings): Route[] {
  const upload = functionUpload(functionCaps);
  return [
    defineRoute({
      method: "PUT",
      path: "/v1/functions/:name",
      operationId: "deployFunction",
      summary: "Deploy a revision of a function",
      description: "As JSON, or as a form with a part for each file; other fields of a form are JSON.",
      access: "deploy",
      audit: { ...functionAudit, by: "handler" },
      params,
      ownBody: {
        content: { "application/json": upload, "multipart/form-data": z.record(z.string(), z.string()) },
      },
      mayBeMinimal: true,
      answers: {
        200: {
          is: "An existing revision.",
          schema: deployedFunctionOutput,
          headers: ["location"],
        },
        201: { is: "A new revision.", schema: deployedFunctionOutput, headers: ["location"] },
      },
      errors: {
        400: ["invalid_multipart"],
        409: ["limit_exceeded"],
        422: ["build_failed", "too_many_tags"],
        503: ["build_interrupted", "build_overloaded", "registry_unavailable"],
      },
      async handle({ parts, context, owner: { namespaceId, limits }, params: { name }, inChange }) {
        const { content, options } = await build(parts, context, namespaceId, name);
        return await inChange(async (parts) => {
          const deployed = await deployRevision(parts.store.db, namespaceId, name, content, options);
          const body = await announceDeployed(parts, deployed);
          await demandCodeRoom(parts, namespaceId, limits, deployed, body.deployed.number === 1);
          const headers = { location: `/v1/functions/${deployed.fn.name}` };
          return { status: deployed.created ? (201 as const) : (200 as const), body, headers };
        });
      },
    }),

    defineRoute({
      method: "PATCH",
      path: "/v1/functions/:name",
      operationId: "changeFunction",
      summary: "Change a function without its source",
      description:
        "A different `env` creates another revision of the leading content. Values that are already set change nothing.",
      access: "deploy",
      audit: functionAudit,
      params,
      body: { schema: functionPatch },
      mayBeMinimal: true,
      answers: { 200: { is: "The function.", schema: deployedFunctionOutput } },
      errors: { 404: ["not_found"], 409: ["limit_exceeded"], 422: ["too_many_tags"] },
      async handle({ parts, owner: { namespaceId, limits }, params, body }) {
        const name = requireName(params.name);
        const { traffic, tag, public: isPublic } = body;
        const takesTraffic = traffic === undefined ? undefined : traffic > 0;
        const changed = await changeFunction(parts.store.db, namespaceId, name, (standing) => ({
          env: mergeEnv(standing, body.env),
          takesTraffic,
          tag,
          isPublic,
        }));
        if (!changed) throw notFound("function", name);
        await demandCodeRoom(parts, namespaceId, limits, changed);
        return { status: 200, body: await announceDeployed(parts, changed) };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/functions",
      operationId: "listFunctions",
      summary: "List functions, newest first",
      access: "read",
      query: listQuery,
      answers: { 200: { is: "A page of functions.", schema: pageOf(functionOutput) } },
      async handle({ parts: { store }, owner, query: { limit, cursor } }) {
        const rows = await listFunctions(store.db, owner.namespaceId, limit, decodeIdCursor(cursor));
        const page = toPage(
          rows,
          limit,
          (fn) => toWireFunction(fn, functionCaps),
          ({ id }) => id,
        );
        return { status: 200, body: page };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/functions/:name",
      operationId: "getFunction",
      summary: "Get a function",
      access: "read",
      params,
      answers: { 200: { is: "The function.", schema: functionOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner, params: { name } }) {
        return { status: 200, body: await readFunction(parts, owner.namespaceId, name) };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/functions/:name",
      operationId: "removeFunction",
      summary: "Remove a function",
      description: "Its runs, logs and revisions stay readable.",
      access: "deploy",
      audit: functionAudit,
      params,
      answers: { 204: { is: "The function is removed." } },
      errors: { 404: ["not_found"], 409: ["function_in_use"] },
      async handle({ parts, owner, params }) {
        const name = requireName(params.name);
        if (!(await removeFunction(parts.store.db, owner.namespaceId, name)))
          throw notFound("function", name);
        parts.callables.forget();
        parts.notifier.notify("bellhop_functions");
        return { status: 204 };
      },
    }),
  ];
}

/** What is uploaded, ready to be deployed. */
async function build(
  parts: ApiParts,
  context: Context,
  namespaceId: string,
  named: string,
): Promise<{ content: RevisionContent; options: DeployOptions }> {
  const name = nameField.safeParse(named);
  if (!name.success) throw invalidField("name", name.error.issues[0]!.message);
  const { files, entry, isSingleSource, limits, reuse, takesTraffic, tag, isPublic, env } = await readUpload(
    context,
    parts.functionCaps,
  );
  const built = await buildRevision({
    files,
    entry,
    tenant: namespaceId,
    registry: parts.npmRegistry,
    ...(isSingleSource ? { fieldOf: () => "source" } : {}),
  });
  const contentHash = hashRevision(built.contentHash, limits, reuse);
  const content = { ...built, files, limits, reuse, contentHash };
  return { content, options: { takesTraffic, tag, isPublic, env } };
}

/** What stands may be deployed and changed, whatever there is of it. */
async function demandCodeRoom(
  { store }: ApiParts,
  namespaceId: string,
  limits: NamespaceLimits | null,
  { created }: Deployed,
  isFirst = false,
): Promise<void> {
  if (created) await demandRoom(store, namespaceId, limits, "codeBytes", 0);
  if (created && isFirst) await demandRoom(store, namespaceId, limits, "functions", 0);
}

/** Tells whoever calls the function, and gives the answer. */
async function announceDeployed(parts: ApiParts, { fn, revisionId }: Deployed) {
  await announceChange(parts, fn.id);
  const { id, number } = (await findRevision(parts.store.db, fn.id, revisionId))!;
  return { ...toWireFunction(fn, parts.functionCaps), deployed: { id, number } };
}
