import type { FunctionRevision } from "../../core/contracts/function.ts";
import { invalidField } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
import { findRevision } from "../../core/store/functions/revisions.ts";

/** A revision by its id or number; 422 under the field that named it where there is none. */
export async function requireRevision(
  db: Db,
  functionId: string,
  named: string,
  field: string,
): Promise<FunctionRevision> {
  const revision = await findRevision(db, functionId, named);
  if (!revision) throw invalidField(field, `this function has no revision ${JSON.stringify(named)}`);
  return revision;
}
