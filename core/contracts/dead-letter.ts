/** Dead letters on the wire. They are shown as runs. */
import { z } from "zod";
import { taskNameField } from "./task-key.ts";

/** The body of `POST /v1/dead-letters/redrive`: those of one task, or all. */
export const redriveInput = z.strictObject({ taskId: taskNameField.optional() });

export const redriveOutput = z
  .object({ redriven: z.int() })
  .meta({ id: "Redriven", examples: [{ redriven: 3 }] });
