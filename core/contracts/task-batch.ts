/** Many tasks made by one request, each for itself: `POST /v1/tasks/batch`. */
import { z } from "zod";
import { examplesOf, idOutput } from "./common.ts";
import { problemOutput } from "./problem.ts";
import { createdTaskOutput } from "./task-output.ts";

export const MAX_BATCH_ITEMS = 1_000;
const OUT_OF_BOUNDS = `must hold 1 to ${MAX_BATCH_ITEMS} tasks`;

/** @param item of one task; how the body is read: each item is validated for itself (`batchFrame`) */
export const batchInput = <Item extends z.ZodType>(item: Item) =>
  z
    .strictObject({ items: z.array(item).min(1, OUT_OF_BOUNDS).max(MAX_BATCH_ITEMS, OUT_OF_BOUNDS) })
    .meta({ examples: [{ items: examplesOf(item) }] });

export const batchFrame = batchInput(z.unknown());

const madeStatus = z
  .literal([201, 200])
  .meta({ description: "200: `dedup` found the task, and none was created." });
const madeItem = z.object({ status: madeStatus, task: createdTaskOutput });
const minimalItem = z.object({
  status: madeStatus,
  id: idOutput.meta({ description: "The id of the task; with `Prefer: return=minimal`." }),
});
const refusedItem = z.object({
  status: z.int().meta({ description: "The status of the problem." }),
  problem: problemOutput,
});

const exampleTask = examplesOf(createdTaskOutput)[0] as z.input<typeof createdTaskOutput>;

export const batchOutput = z
  .object({
    items: z.array(z.union([madeItem, minimalItem, refusedItem])).meta({
      description: "The outcome of each item, in order.",
    }),
  })
  .meta({
    id: "TaskBatch",
    examples: [
      {
        items: [
          { status: 201, task: exampleTask },
          { status: 422, problem: examplesOf(problemOutput)[0] },
        ],
      },
      { items: [{ status: 201, id: exampleTask.id }] },
    ],
  });
export type BatchItem = z.input<typeof batchOutput>["items"][number];
