/** What a namespace sets for all of its own. */
import { z } from "zod";
import { callbacksField, callbacksOutput } from "./callbacks.ts";

const EXAMPLE = { on: { failure: [{ type: "email", to: "ops@example.com" }] } };

export const settingsInput = z
  .strictObject({
    on: callbacksField
      .nullable()
      .meta({ description: "What to call when runs end whose task has no `on`; null: nothing." }),
  })
  .meta({ examples: [EXAMPLE] });

export const settingsOutput = z
  .object({ on: callbacksOutput.meta({ description: "Null: nothing." }) })
  .meta({ id: "Settings", examples: [EXAMPLE] });
