/** Where an operator lets the requests of a namespace go. */
import { namespaceEgressInput, namespaceEgressOutput } from "../../core/contracts/namespace-egress.ts";
import { ANY_EGRESS } from "../../core/domain/namespace-egress.ts";
import { saveNamespaceEgress } from "../../core/store/namespace-egress.ts";
import { findNamespace } from "../../core/store/namespaces.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { namespaceAudit, noNamespace, params, readName } from "./name-of-path.ts";

export const egressRoutes: Route[] = [
  defineRoute({
    method: "PUT",
    path: "/v1/namespaces/:name/egress",
    operationId: "putNamespaceEgress",
    summary: "Set where requests of a namespace may go",
    description:
      "Replaces all rules: what is left out is not restricted. They take effect within a second, for requests and redirects from then on; requests in progress continue. What the installation denies stays closed.",
    access: "operator",
    audit: namespaceAudit,
    params,
    body: { schema: namespaceEgressInput },
    answers: { 200: { is: "The rules, as changed.", schema: namespaceEgressOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store, notifier }, params: { name }, body }) {
      const found = await saveNamespaceEgress(store, readName(name), body);
      if (!found) throw noNamespace(name);
      notifier.notify("bellhop_keys");
      return { status: 200, body };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/namespaces/:name/egress",
    operationId: "getNamespaceEgress",
    summary: "Show where requests of a namespace may go",
    access: "operator",
    params,
    answers: { 200: { is: "The rules.", schema: namespaceEgressOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, params: { name } }) {
      const found = await findNamespace(store, readName(name));
      if (!found) throw noNamespace(name);
      return { status: 200, body: found.egress ?? ANY_EGRESS };
    },
  }),
];
