/** Changing a task: the change is merged into its definition, and the whole is validated. */
import { z } from "zod";
import { IN_PLAIN_WORDS } from "../../core/contracts/plain-words.ts";
import type { taskInput } from "../../core/contracts/task-input.ts";
import { type Task, toTaskDefinition } from "../../core/contracts/task-output.ts";
import { OWN_JSON_FIELD } from "../../core/contracts/task-spec.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type { TaskChange } from "../../core/store/tasks/redefine.ts";
import { validate } from "../bodies/body.ts";
import { toInputError } from "../http/problem.ts";
import { mergePatch, nameBackoffKind } from "./merge-patch.ts";

export function mergeTask(
  schema: ReturnType<typeof taskInput>,
  task: Task,
  patch: Json | undefined,
): Omit<TaskChange, "functionId"> {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw new BellhopError("invalid_input", 422, "A change is a JSON object with the fields that change.");
  }
  if (patch["type"] !== undefined && patch["type"] !== task.spec.type) {
    throw invalidField("type", "a task keeps its type; create a new task");
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
  refuseUnknownFields(schema, nameBackoffKind({ ...patch, type: task.spec.type }, merged));
  return { input: reschedules ? input : { ...input, schedule: task.schedule }, reschedules };
}

/** A null takes its field away, also one that no task has: the merged definition says nothing of that. */
function refuseUnknownFields(schema: z.ZodType, patch: JsonObject): void {
  const unknown = findUnknownFields(schema.safeParse(patch, IN_PLAIN_WORDS).error?.issues ?? []);
  if (unknown.length > 0) throw toInputError(new z.ZodError(unknown));
}

/** What else a part of a definition lacks is no fault of it. */
function findUnknownFields(issues: z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") return [issue];
    if (issue.code !== "invalid_union") return [];
    return findUnknownFields(issue.errors.flat()).map((inner) => ({
      ...inner,
      path: [...issue.path, ...inner.path],
    }));
  });
}
