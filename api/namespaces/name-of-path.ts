import { nameField } from "../../core/contracts/common.ts";
import { toWireNamespace } from "../../core/contracts/namespace.ts";
import { toWireNamespaceLimits } from "../../core/contracts/namespace-limits.ts";
import { BellhopError } from "../../core/errors.ts";
import { findNamespace } from "../../core/store/namespaces.ts";
import type { AuditSpec } from "../http/route.ts";

export const params = {
  name: nameField.meta({ description: "The namespace's name.", examples: ["billing"] }),
};

/** 404 for what cannot be a name, too. */
export function readName(given: string): string {
  const name = nameField.safeParse(given);
  if (!name.success) throw noNamespace(given);
  return name.data;
}

export const noNamespace = (name: string) =>
  new BellhopError("not_found", 404, `There is no namespace ${JSON.stringify(name)}.`);

export const namespaceAudit: AuditSpec = {
  resource: "namespaces/:name",
  isOfInstallation: true,
  async read({ parts: { store }, params: { name } }) {
    const found = nameField.safeParse(name).success && (await findNamespace(store, name!));
    if (!found) return undefined;
    const { limits, egress } = found;
    return { ...toWireNamespace(found), limits: limits && toWireNamespaceLimits(limits), egress };
  },
};
