/** `expect` of a policy on the wire: by when an occurrence must have succeeded. */
import { z } from "zod";
import { type Expectation, TIME_OF_DAY } from "../domain/expectation.ts";
import { durationField, refuse } from "./common.ts";

const wire = z.strictObject({
  /** Of the instant. */
  within: durationField(1).optional(),
  by: z.string().regex(TIME_OF_DAY, 'must be a time of day such as "08:00"').optional().meta({
    description: "The next such time after the instant, in the schedule's timezone; without one, UTC.",
  }),
});

export const expectField = z.codec(wire, z.custom<Expectation>(), {
  decode({ within, by }, context): Expectation {
    if ((within === undefined) === (by === undefined))
      return refuse(context, 'holds exactly one of within and by: {"within": "2h"} or {"by": "08:00"}');
    return within === undefined ? { by: by! } : { withinMs: within };
  },
  encode: (expectation) => ("by" in expectation ? { by: expectation.by } : { within: expectation.withinMs }),
});
