/**
 * What runs are found by. One definition for all that take it: the query of a list, whose parameters are these, and a
 * filter in a JSON body. Several fields narrow each other; several values of one widen it.
 */
import { z } from "zod";
import { RUN_STATES } from "../domain/run-state.ts";
import { RUN_TRIGGERS } from "../domain/run-trigger.ts";
import { filteredListQuery, instantField, lineField, nameField, repeatedField } from "./common.ts";
import { taskNameField } from "./task-key.ts";

const oneOf = (names: readonly string[]) => `must be one of ${names.join(", ")}`;

export const runFilter = z.strictObject({
  state: repeatedField(z.enum(RUN_STATES, oneOf(RUN_STATES)))
    .optional()
    .meta({ description: "May be repeated: any of them." }),
  taskId: taskNameField.optional().meta({ description: "The task's id, or its key." }),
  function: nameField.optional().meta({ description: "The function's name, even if it was removed." }),
  queue: nameField.optional().meta({ description: "The run's queue." }),
  trigger: z.enum(RUN_TRIGGERS, oneOf(RUN_TRIGGERS)).optional(),
  errorCode: lineField("a code")
    .min(1)
    .max(100, "holds at most 100 characters")
    .optional()
    .meta({ description: "The `error.code` of the run." }),
  expectation: z
    .literal("missed", "must be missed")
    .optional()
    .meta({ description: "Runs that did not succeed by the time their tasks expect." }),
  worker: z.uuid("must be the id of a worker").optional().meta({ description: "The run's `workerId`." }),
  from: instantField.optional().meta({ description: "Recorded at this instant or later." }),
  to: instantField.optional().meta({ description: "Recorded before this instant." }),
});
export type RunFilter = z.output<typeof runFilter>;

export const runListQuery = filteredListQuery(runFilter);
export const taskRunListQuery = filteredListQuery(runFilter.omit({ taskId: true }));
export const deadLetterListQuery = filteredListQuery(runFilter.omit({ state: true }));
