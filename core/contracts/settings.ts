/** What a namespace sets for all of its own. */
import { z } from "zod";
import { callbacksField, callbacksOutput } from "./callbacks.ts";

const EXAMPLE = { on: { failure: [{ type: "email", to: "ops@example.com" }] } };

export const settingsInput = z
  .strictObject({
    on: callbacksField
      .nullable()
      .meta({ description: "Whom ends of runs call whose task names nobody; null: nobody." }),
  })
  .meta({ examples: [EXAMPLE] });

export const settingsOutput = z
  .object({ on: callbacksOutput.meta({ description: "Null: nobody." }) })
  .meta({ id: "Settings", examples: [EXAMPLE] });
