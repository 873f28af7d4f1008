/** What whoever was sent an http task's request says of the attempt later: `POST /complete/{token}`. */
import { z } from "zod";
import { RUN_STATES } from "../domain/run-state.ts";
import { idOutput, instantOutput, jsonOutput } from "./common.ts";

/** Behind it stands the token. */
export const COMPLETE_PATH = "/complete";

export const MAX_MESSAGE_CHARS = 2_000;
export const MAX_CODE_CHARS = 200;

const result = z.strictObject({
  result: jsonOutput.meta({ description: "Any JSON: the run's result. The attempt succeeds." }),
});
const failure = z.strictObject({
  error: z.strictObject({
    message: z
      .string()
      .min(1)
      .max(MAX_MESSAGE_CHARS)
      .meta({ description: "What went wrong, for people. The attempt fails." }),
    code: z.string().min(1).max(MAX_CODE_CHARS).optional().meta({
      description: "The server's own error code: the run's error has it as `details.code`.",
    }),
    retryable: z.boolean().default(true).meta({
      description: "Whether the run is retried while it has attempts left.",
    }),
    details: jsonOutput
      .optional()
      .meta({ description: "Further details: the run's error has them as `details.details`." }),
  }),
});
const heartbeat = z.strictObject({
  heartbeat: z.literal(true).meta({ description: "The work continues: the wait starts over." }),
});

export const completionInput = z
  .union([result, failure, heartbeat], {
    error: 'must be one of {"result": …}, {"error": {"message": …}} and {"heartbeat": true}',
  })
  .meta({
    examples: [
      { result: { rows: 42 } },
      { error: { message: "the file is empty", code: "empty_file", retryable: false } },
      { heartbeat: true },
    ],
  });

export const completionOutput = z
  .object({
    runId: idOutput,
    state: z.enum(RUN_STATES).meta({ description: "The run's state: `scheduled` if it is retried." }),
    completeBy: instantOutput.optional().meta({
      description: "After a heartbeat: when the attempt counts as failed unless another call comes first.",
    }),
  })
  .meta({
    id: "Completion",
    examples: [{ runId: "01a20a28-a81c-7294-862d-1a27e97c0d32", state: "succeeded" }],
  });
