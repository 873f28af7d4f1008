import { isId } from "../../core/store/ids.ts";
import { findRun } from "../../core/store/runs/read.ts";
import type { AuditSpec } from "../http/route.ts";

/** A run's state: all else of it is its own record. */
export const auditRun = (resource: string): AuditSpec => ({
  resource,
  async read({ parts: { store }, owner: { namespaceId }, params: { id } }) {
    const run = isId(id!) ? await findRun(store, namespaceId, id!) : undefined;
    return run && { state: run.state };
  },
});
