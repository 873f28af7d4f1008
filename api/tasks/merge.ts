/** Changing a task: the change is merged into its definition, and the whole is validated. */
import type { z } from "zod";
import type { taskInput } from "../../core/contracts/task-input.ts";
import { type Task, toTaskDefinition } from "../../core/contracts/task-output.ts";
import { OWN_JSON_FIELD } from "../../core/contracts/task-spec.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { Db } from "../../core/store/database.ts";
import { findFunction } from "../../core/store/functions/functions.ts";
import type { TaskChange } from "../../core/store/tasks/change.ts";
import { validate } from "../bodies/body.ts";
import { mergePatch } from "./merge-patch.ts";
import { resolveFunction } from "./resolve-function.ts";

export async function mergeTask(
  db: Db,
  schema: ReturnType<typeof taskInput>,
  task: Task,
  patch: Json | undefined,
): Promise<TaskChange> {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw new BellhopError("invalid_input", 422, "A change is a JSON object with the fields that change.");
  }
  if (patch["type"] !== undefined && patch["type"] !== task.spec.type) {
    throw invalidField("type", "a task keeps its type; make a new task");
  }
  const { schedule: standing, ...definition } = toTaskDefinition(task);
  const reschedules = patch["schedule"] !== undefined;
  // What stands may lie in the past by now: it is looked at where it is named alone.
  const merged = mergePatch(
    reschedules && standing !== undefined ? { ...definition, schedule: standing } : definition,
    patch,
    OWN_JSON_FIELD[task.spec.type],
  );
  const input: z.output<typeof schema> = validate(schema, merged);
  const { spec, functionId } = await resolveFunction(
    db,
    input.spec,
    async (name) => (await findFunction(db, task.namespaceId, name))?.id,
  );
  return {
    input: { ...input, spec, ...(reschedules ? {} : { schedule: task.schedule }) },
    functionId,
    reschedules,
  };
}
