/** `/v1/clock`: the clock for tests on the wire. */
import { z } from "zod";
import { durationField, instantField, instantOutput, MAX_DURATION_MS } from "./common.ts";

/** The body of `POST /v1/clock/advance`; the instant inside. */
export const advanceInput = z
  .strictObject({
    by: durationField(1).optional().meta({ description: "How far to advance it." }),
    to: instantField
      .optional()
      .meta({ description: "The instant to advance it to. The clock's current time is allowed." }),
  })
  .superRefine(({ by, to }, context) => {
    if ((by === undefined) === (to === undefined))
      context.addIssue({ code: "custom", path: ["to"], message: "give either by or to" });
  })
  .meta({ examples: [{ to: "2027-03-01T09:00:00Z" }] });

/** The furthest that it goes at once. */
export const MAX_ADVANCE_MS = MAX_DURATION_MS;

export const clockOutput = z
  .object({
    now: instantOutput.meta({ description: "The time that schedules see." }),
    virtual: z.literal(true),
    advancingTo: instantOutput
      .nullable()
      .meta({ description: "The instant it is being advanced to; null: it stands still." }),
  })
  .meta({ id: "Clock", examples: [{ now: "2027-03-01T09:00:00.000Z", virtual: true, advancingTo: null }] });
