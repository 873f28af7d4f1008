/** `/v1/audit`: who changed what, from which key and address. */
import { auditEntryOutput, auditQuery, toWireAuditEntry } from "../../core/contracts/audit.ts";
import { pageOf, toPage } from "../../core/contracts/common.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import { listAudit } from "../../core/store/audit-log.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";

export const auditFeature: Feature = {
  tag: "Audit",
  description: "Who changed what, from which key and address.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/audit",
      operationId: "listAudit",
      summary: "List changes made through the API, newest first, or those that match",
      description: "Changes of namespaces are in the log of `default`, for operators.",
      access: "admin",
      query: auditQuery,
      answers: { 200: { is: "A page of entries.", schema: pageOf(auditEntryOutput) } },
      async handle({ parts: { store }, owner: { namespaceId, scopes }, query }) {
        const { limit, cursor, ...filter } = query;
        const page = { limit, beforeId: decodeIdCursor(cursor), isOperator: isOperator(scopes) };
        const rows = await listAudit(store, namespaceId, filter, page);
        return { status: 200, body: toPage(rows, limit, toWireAuditEntry, ({ id }) => id) };
      },
    }),
  ],
};
