/** A run of a task on somebody's word, on the wire. What it makes is shown as a run. */
import { z } from "zod";
import { jsonOutput } from "./common.ts";
import { dedupField } from "./dedup.ts";

/** The body of `POST /v1/tasks/{id}/run`. Absent fields: what the task says. */
export const runNowInput = z
  .strictObject({
    input: jsonOutput.optional().meta({ description: "For a function task: replaces its `input`." }),
    body: jsonOutput
      .optional()
      .meta({ description: "For an HTTP task: replaces its `body`; JSON is sent exactly as written." }),
    dedup: dedupField.optional(),
  })
  .meta({ examples: [{ input: { order: 7 } }] });
