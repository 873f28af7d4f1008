/** Namespaces: the tenants of an installation, an operator's to make and to delete. */
import { bulkOutput, toWireBulk } from "../../core/contracts/bulk.ts";
import { listQuery, pageOf, toPage } from "../../core/contracts/common.ts";
import { namespaceInput, namespaceOutput, toWireNamespace } from "../../core/contracts/namespace.ts";
import { closeNamespace } from "../../core/store/bulk/delete-namespace.ts";
import { createNamespace, findNamespace, listNamespaces } from "../../core/store/namespaces.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { egressRoutes } from "./egress-routes.ts";
import { limitRoutes } from "./limit-routes.ts";
import { namespaceAudit, noNamespace, params, readName } from "./name-of-path.ts";

export const namespaceFeature: Feature = {
  tag: "Namespaces",
  description: "The tenants of an installation: each is invisible to the others.",
  routes: [
    defineRoute({
      method: "POST",
      path: "/v1/namespaces",
      operationId: "createNamespace",
      summary: "Create a namespace",
      access: "operator",
      audit: namespaceAudit,
      body: { schema: namespaceInput },
      mayBeMinimal: true,
      answers: { 201: { is: "The namespace.", schema: namespaceOutput, headers: ["location"] } },
      errors: { 409: ["namespace_taken", "too_many_namespaces"] },
      async handle({ parts: { store, notifier }, body: { name } }) {
        const made = await inTransaction(store.pool, (tx) => createNamespace(tx, name));
        // Tokens may have asked for it before.
        notifier.notify("bellhop_keys", [made.id]);
        return { status: 201, body: toWireNamespace(made), headers: { location: `/v1/namespaces/${name}` } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/namespaces",
      operationId: "listNamespaces",
      summary: "List the namespaces, newest first",
      access: "operator",
      query: listQuery,
      answers: { 200: { is: "A page of namespaces.", schema: pageOf(namespaceOutput) } },
      async handle({ parts: { store }, query: { limit, cursor } }) {
        const rows = await listNamespaces(store, limit, decodeIdCursor(cursor));
        return { status: 200, body: toPage(rows, limit, toWireNamespace, ({ id }) => id) };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/namespaces/:name",
      operationId: "getNamespace",
      summary: "Get a namespace",
      access: "operator",
      params,
      answers: { 200: { is: "The namespace.", schema: namespaceOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store }, params: { name } }) {
        const found = await findNamespace(store, readName(name));
        if (!found) throw noNamespace(name);
        return { status: 200, body: toWireNamespace(found) };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/namespaces/:name",
      operationId: "deleteNamespace",
      summary: "Delete a namespace and everything in it",
      description:
        "Its keys stop working at once, and it accepts nothing new. A bulk action removes its contents batch by batch, counts the removals by kind and outlives it. This cannot be undone. You may repeat the request.",
      access: "operator",
      audit: namespaceAudit,
      params,
      answers: {
        202: { is: "The bulk action that deletes it.", schema: bulkOutput, headers: ["location"] },
      },
      errors: { 404: ["not_found"], 409: ["default_namespace"] },
      async handle({ parts, context, owner: { keyId: by }, params: { name } }) {
        const asked = { name: readName(name), by, traceparent: traceparentOf(context) };
        const bulk = await inTransaction(parts.store.pool, (tx) => closeNamespace(tx, asked));
        if (!bulk) throw noNamespace(name);
        parts.callables.forget();
        parts.notifier.notify("bellhop_keys");
        parts.notifier.notify("bellhop_functions");
        return { status: 202, body: toWireBulk(bulk), headers: { location: `/v1/bulk/${bulk.id}` } };
      },
    }),
    ...limitRoutes,
    ...egressRoutes,
  ],
};
