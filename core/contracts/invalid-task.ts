/** A task that an application enqueued in its own transaction, and that could not be made, as the API shows it. */
import { z } from "zod";
import type { Json } from "../json.ts";
import type { JsonSource } from "../json-source.ts";
import { idOutput, instantOutput, jsonOutput } from "./common.ts";
import { type Problem, problemOutput } from "./problem.ts";

export interface InvalidTask {
  id: string;
  /** As it was written. */
  task: JsonSource;
  problem: Problem;
  /** The role that had logged in. */
  enqueuedBy: string;
  enqueuedAt: Date;
  refusedAt: Date;
}

export const invalidTaskOutput = z
  .object({
    id: idOutput.meta({ description: "The id that `bellhop.enqueue` returned." }),
    state: z.literal("invalid"),
    task: jsonOutput.meta({ description: "As it was passed." }),
    problem: problemOutput,
    enqueuedBy: z.string().meta({ description: "The database role that had logged in." }),
    enqueuedAt: instantOutput,
    refusedAt: instantOutput,
  })
  .meta({
    id: "InvalidTask",
    description: "A task that an application enqueued in its own transaction, and that could not be created.",
    examples: [
      {
        id: "01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2f",
        state: "invalid",
        task: { type: "function", function: "remind", schedule: { delay: "1d" } },
        problem: {
          type: "about:blank",
          title: "Unprocessable Entity",
          status: 422,
          detail: 'function: there is no function "remind" in this namespace',
          code: "unknown_function",
          errors: [{ field: "function", message: 'there is no function "remind" in this namespace' }],
        },
        enqueuedBy: "shop",
        enqueuedAt: "2026-12-01T09:00:00.120Z",
        refusedAt: "2026-12-01T09:00:00.131Z",
      },
    ],
  });

export const toWireInvalidTask = ({ enqueuedAt, refusedAt, task, ...rest }: InvalidTask) => ({
  ...rest,
  state: "invalid" as const,
  task: task as unknown as Json,
  enqueuedAt: enqueuedAt.toISOString(),
  refusedAt: refusedAt.toISOString(),
});
