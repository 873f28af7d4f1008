import type { RunTarget } from "../../core/domain/run-target.ts";
import { invalidField } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
import { hasTag } from "../../core/store/functions/tags.ts";
import { requireRevision } from "./require-revision.ts";

interface AskedTarget {
  tag?: string | undefined;
  /** Its id or its number. */
  revision?: string | undefined;
}

/** The revision that is asked for by a tag or by itself: 422 under the field where the function has none such. */
export async function resolveTarget(
  db: Db,
  functionId: string,
  { tag, revision }: AskedTarget,
): Promise<RunTarget | undefined> {
  if (tag !== undefined && revision !== undefined)
    throw invalidField("tag", "give a tag or a revision, not both");
  if (tag !== undefined) {
    if (!(await hasTag(db, functionId, tag))) throw invalidField("tag", "this function has no such tag");
    return { tag };
  }
  if (revision === undefined) return undefined;
  const found = await requireRevision(db, functionId, revision, "revision");
  return { revision: found.id };
}
