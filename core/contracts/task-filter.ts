/** What tasks are found by, in the query of the list and in JSON alike: see run-filter.ts. */
import { z } from "zod";
import { TASK_TYPES } from "../domain/task-spec.ts";
import { filteredListQuery, instantField, lineField, nameField, repeatedField } from "./common.ts";
import { TASK_STATES } from "./task-output.ts";

const oneOf = (names: readonly string[]) => `must be one of ${names.join(", ")}`;

/** `app=billing`: a label and its whole value. */
export const labelField = lineField("a label")
  .max(400, "holds at most 400 characters")
  .regex(/^[^=]+=/, 'must be a label and its value, such as "app=billing"')
  .meta({ examples: ["app=billing"] });

const text = lineField("a name").max(200, "holds at most 200 characters");

export const taskFilter = z.strictObject({
  state: repeatedField(z.enum(TASK_STATES, oneOf(TASK_STATES)))
    .optional()
    .meta({ description: "May be repeated: any of them." }),
  type: z.enum(TASK_TYPES, oneOf(TASK_TYPES)).optional(),
  label: repeatedField(labelField)
    .optional()
    .meta({ description: "A label and its exact value: `app=billing`. May be repeated: all of them." }),
  name: text.min(1).optional().meta({ description: "The exact name." }),
  q: text.min(1).optional().meta({ description: "A part of the name, ignoring case." }),
  function: nameField.optional().meta({ description: "The name of the function that it calls." }),
  queue: nameField.optional().meta({ description: "The queue of its runs." }),
  nextBefore: instantField.optional().meta({ description: "Its `nextRunAt` is before this instant." }),
  nextAfter: instantField.optional().meta({ description: "Its `nextRunAt` is at this instant or later." }),
});
export type TaskFilter = z.output<typeof taskFilter>;

/** `["app", "billing"]` of each `app=billing`. */
export const labelPairs = (labels: readonly string[]): [name: string, value: string][] =>
  labels.map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  });

export const taskListQuery = filteredListQuery(taskFilter);
