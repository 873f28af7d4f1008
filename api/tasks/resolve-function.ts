import type { TaskSpec } from "../../core/domain/task-spec.ts";
import { invalidField } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { resolveTarget } from "../functions/resolve-target.ts";

/**
 * The id of the function a task calls, and the spec with the id of the revision it names; 422 where there is none of
 * that name, or it has no such tag or revision.
 */
export async function resolveFunction(
  { db }: QueryScope,
  spec: TaskSpec,
  findId: (name: string) => Promise<string | undefined>,
): Promise<{ spec: TaskSpec; functionId: string | null }> {
  if (spec.type !== "function") return { spec, functionId: null };
  const id = await findId(spec.function);
  if (id === undefined)
    throw invalidField(
      "function",
      `there is no function ${JSON.stringify(spec.function)} in this namespace`,
      "unknown_function",
    );
  return { spec: { ...spec, ...(await resolveTarget(db, id, spec)) }, functionId: id };
}
