/** `/v1/bulk`: one thing done to all tasks or runs that a filter finds. Recorded here, driven by the scheduler. */
import type { z } from "zod";
import {
  type BulkInput,
  bulkInput,
  bulkOutput,
  dryRunOutput,
  toWireBulk,
} from "../../core/contracts/bulk.ts";
import { idParam, listQuery, pageOf, toPage } from "../../core/contracts/common.ts";
import { ERASE, makesRuns } from "../../core/domain/bulk.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import { notFound } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { abortBulk, createBulk, findBulk, listBulks } from "../../core/store/bulk/bulk-actions.ts";
import { countMatches } from "../../core/store/bulk/find-matches.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { newId } from "../../core/store/ids.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { demandScope } from "../auth/scopes.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { resolveTaskFilter } from "../tasks/name-task.ts";

const params = { id: idParam("The bulk action's id.") };

/** Of runs, those of the task that has a key now: it stays that task, whoever has the key later. */
async function resolveTasks(scope: QueryScope, namespaceId: string, asked: BulkInput): Promise<BulkInput> {
  if (asked.resource === "tasks") return asked;
  return { ...asked, filter: await resolveTaskFilter(scope, namespaceId, asked.filter) };
}

/** As it is kept and shown. */
const toJson = (filter: BulkInput["filter"]) => JSON.parse(JSON.stringify(filter)) as JsonObject;

export const bulkFeature: Feature = {
  tag: "Bulk actions",
  description: "One action on all tasks or runs that match a filter, with counts and an abort.",
  routes: [
    defineRoute({
      method: "POST",
      path: "/v1/bulk",
      operationId: "createBulkAction",
      summary: "Act on everything that matches a filter",
      description:
        "The action covers what exists now, and nothing that is created later. `run` and `replay` also need the scope `invoke`, `erase` the scope `admin`.",
      access: "write",
      audit: {
        resource: "bulk/:id",
        isChange: (_request, body) => (body as { id: string | null }).id !== null,
        summarize: (body: z.output<typeof bulkOutput>) => body,
      },
      body: { schema: bulkInput },
      answers: {
        200: { is: "For a dry run: how many match.", schema: dryRunOutput },
        202: { is: "The bulk action is running.", schema: bulkOutput, headers: ["location"] },
      },
      errors: { 422: ["count_too_slow"], 429: ["too_many_bulk_actions"] },
      async handle({ parts, context, owner, body }) {
        if (makesRuns(body.action)) demandScope(owner, "invoke");
        if (body.action === ERASE) demandScope(owner, "admin");
        const { namespaceId } = owner;
        const meant = await resolveTasks(parts.store, namespaceId, body);
        const asked = { action: body.action, resource: body.resource, filter: toJson(meant.filter) };
        if (body.dryRun) {
          const matched = await countMatches(parts.store, namespaceId, meant, newId());
          const answer = { id: null, ...asked, state: "succeeded", matched, done: 0, failed: 0 } as const;
          return { status: 200, body: answer };
        }
        const traceparent = traceparentOf(context);
        const facts = { id: newId(), namespaceId, ...asked, traceparent, by: owner.keyId };
        const bulk = await inTransaction(parts.store.pool, (tx) => createBulk(tx, facts));
        return { status: 202, body: toWireBulk(bulk), headers: { location: `/v1/bulk/${bulk.id}` } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/bulk",
      operationId: "listBulkActions",
      summary: "List bulk actions, newest first",
      access: "read",
      query: listQuery,
      answers: { 200: { is: "A page of bulk actions.", schema: pageOf(bulkOutput) } },
      async handle({ parts: { store }, owner: { namespaceId, scopes }, query: { limit, cursor } }) {
        const before = decodeIdCursor(cursor);
        const rows = await listBulks(store, namespaceId, limit, before, isOperator(scopes));
        return { status: 200, body: toPage(rows, limit, toWireBulk, ({ id }) => id) };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/bulk/:id",
      operationId: "getBulkAction",
      summary: "Get a bulk action",
      access: "read",
      params,
      answers: { 200: { is: "The bulk action.", schema: bulkOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store }, owner: { namespaceId, scopes }, params: { id } }) {
        const bulk = await findBulk(store, namespaceId, id, isOperator(scopes));
        if (!bulk) throw notFound("bulk action", id);
        return { status: 200, body: toWireBulk(bulk) };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/bulk/:id/abort",
      operationId: "abortBulkAction",
      summary: "Abort a bulk action",
      description:
        "What it has done stays done; it does nothing more. An erasure first finishes the tasks that it has begun; aborting one needs the scope `admin`. You may repeat the request.",
      access: "write",
      audit: {
        resource: "bulk/:id",
        async read({ parts: { store }, owner: { namespaceId, scopes }, params: { id } }) {
          const bulk = await findBulk(store, namespaceId, id!, isOperator(scopes));
          return bulk && { state: bulk.state, aborting: bulk.isAborting };
        },
      },
      params,
      answers: {
        200: { is: "The bulk action is aborted or, for an erasure, asked to end.", schema: bulkOutput },
      },
      errors: { 404: ["not_found"], 409: ["bulk_action_ended", "deletion_not_abortable"] },
      async handle({ parts: { store }, owner, params: { id } }) {
        const { namespaceId, scopes } = owner;
        const standing = await findBulk(store, namespaceId, id, isOperator(scopes));
        if (standing?.action === ERASE) demandScope(owner, "admin");
        const bulk = await abortBulk(store, namespaceId, id, isOperator(scopes));
        if (!bulk) throw notFound("bulk action", id);
        return { status: 200, body: toWireBulk(bulk) };
      },
    }),
  ],
};
