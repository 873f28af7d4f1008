/** `debounce` and `collect` on the wire: calls that become one run. */
import { z } from "zod";
import { MAX_COLLECTED, MAX_JOIN_WAIT_MS } from "../domain/joining.ts";
import { durationField, wholeNumberField } from "./common.ts";
import { fieldGroup } from "./field-group.ts";
import { limitKeyField } from "./queue-fields.ts";

const MIN_WAIT_MS = 10;
const waitField = () => durationField(MIN_WAIT_MS, MAX_JOIN_WAIT_MS);

const debounceGroup = fieldGroup(
  {
    /** Calls with the same one become one run. */
    key: limitKeyField,
    /** After the last of them. */
    wait: waitField(),
    /** After the first of them, at most; left out: ten times `wait`, a week at most. */
    max: waitField().optional(),
  },
  { wait: "waitMs", max: "maxMs" },
);

/** The last call counts. */
export const debounceField = debounceGroup.superRefine(({ waitMs, maxMs }, context) => {
  if (maxMs === undefined || maxMs >= waitMs) return;
  context.addIssue({ code: "custom", path: ["max"], message: "must be at least as long as wait" });
});

/** One run with the inputs of all calls. */
export const collectField = fieldGroup(
  {
    /** Inputs at most. */
    size: wholeNumberField(1, MAX_COLLECTED),
    /** After the first call. */
    wait: waitField(),
  },
  { wait: "waitMs" },
);

/** An object as the value of a query parameter: its JSON. */
export const jsonParameter = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  example: object,
) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: "custom", message: `must be JSON, such as ${JSON.stringify(example)}` });
        return z.NEVER;
      }
    })
    .pipe(schema)
    .meta({ description, examples: [JSON.stringify(example)] });
