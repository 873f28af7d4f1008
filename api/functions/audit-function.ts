import { nameField } from "../../core/contracts/common.ts";
import { toWireFunction } from "../../core/contracts/function-output.ts";
import { findFunction } from "../../core/store/functions/functions.ts";
import type { AuditSpec } from "../http/route.ts";

/** A function with its traffic, its tags and the revision that leads. */
export const functionAudit: AuditSpec = {
  resource: "functions/:name",
  async read({ parts: { store, functionCaps }, owner: { namespaceId }, params: { name } }) {
    if (!nameField.safeParse(name).success) return undefined;
    const found = await findFunction(store.db, namespaceId, name!);
    return found && toWireFunction(found, functionCaps);
  },
};
