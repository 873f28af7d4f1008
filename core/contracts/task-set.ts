/** Tasks that are given their definitions by their keys: `PUT /v1/tasks/{key}`, and a set of them, `POST /v1/tasks/apply`. */
import { z } from "zod";
import type { FieldChange } from "../domain/definition-diff.ts";
import { MAX_SET_TASKS, SET_CHANGES } from "../domain/task-set.ts";
import { examplesOf, filterField, idOutput, jsonOutput, repeatedField } from "./common.ts";
import { labelField } from "./task-filter.ts";
import { taskOutput } from "./task-output.ts";

export const fieldChangeOutput = z
  .object({
    field: z.string().meta({ description: "Dotted path into the definition: `retry.maxAttempts`." }),
    from: jsonOutput.optional().meta({ description: "Left out if the field did not exist before." }),
    to: jsonOutput.optional().meta({ description: "Left out if the field no longer exists." }),
    truncated: z.literal(true).optional().meta({ description: "The values are too long and left out." }),
  })
  .meta({ id: "FieldChange", examples: [{ field: "retry.maxAttempts", from: 5, to: 8 }] });

const diff = z.array(fieldChangeOutput).meta({ description: "The differences from the task as it was." });

/** As the wire has it: a value that is kept to the letter is written so. */
export const toWireDiff = (changes: FieldChange[]) => changes as z.input<typeof fieldChangeOutput>[];

export const putQuery = z.object({
  dryRun: filterField(z.enum(["true", "false"], "must be true or false")).meta({
    description: "`true`: says what would be done, and does nothing.",
  }),
});

type TaskOption = (typeof taskOutput.options)[number];
const withoutId = (option: TaskOption) =>
  option.extend({ id: idOutput.nullable().meta({ description: "Null for a task that would be created." }) });

/** The answer to a dry run. */
export const putPlanOutput = z
  .object({
    change: z.enum(SET_CHANGES).exclude(["pruned"]),
    diff,
    task: z
      .discriminatedUnion(
        "type",
        taskOutput.options.map(withoutId) as unknown as [
          ReturnType<typeof withoutId>,
          ...ReturnType<typeof withoutId>[],
        ],
      )
      .meta({ description: "The task as it would be." }),
  })
  .meta({
    id: "TaskPlan",
    examples: [
      {
        change: "updated",
        diff: [{ field: "retry.maxAttempts", from: 5, to: 8 }],
        task: examplesOf(taskOutput)[0],
      },
    ],
  });

const OUT_OF_BOUNDS = `must hold at most ${MAX_SET_TASKS} tasks`;

/** @param item of one task; how the body is read: each item is validated for itself (`applyFrame`) */
export const applyInput = <Item extends z.ZodType>(item: Item) =>
  z
    .strictObject({
      items: z.array(item).max(MAX_SET_TASKS, OUT_OF_BOUNDS),
      prune: z
        .strictObject({ label: repeatedField(labelField) })
        .optional()
        .meta({ description: "Removes the tasks with this label and a key that the set does not name." }),
      dryRun: z.boolean().default(false).meta({ description: "Says what would be done, and does nothing." }),
    })
    .meta({
      examples: [
        {
          items: [{ key: "billing:nightly", ...(examplesOf(item)[0] as object) }],
          prune: { label: ["app=billing"] },
        },
      ],
    });

export const applyFrame = applyInput(z.unknown());

export const applyOutput = z
  .object({
    dryRun: z.boolean(),
    items: z
      .array(
        z.object({
          key: z.string(),
          id: idOutput.nullable().meta({ description: "Null for a task that would be created." }),
          change: z.enum(SET_CHANGES),
          diff,
        }),
      )
      .meta({ description: "What was done to each, in the order of the set; then those that were pruned." }),
  })
  .meta({
    id: "AppliedTasks",
    examples: [
      {
        dryRun: false,
        items: [
          {
            key: "billing:nightly",
            id: "01a20a22-ed46-778f-b69a-117fc6f8a959",
            change: "updated",
            diff: [{ field: "retry.maxAttempts", from: 5, to: 8 }],
          },
        ],
      },
    ],
  });
export type AppliedItem = z.input<typeof applyOutput>["items"][number];
