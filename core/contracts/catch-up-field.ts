/** `catchUp` of a policy on the wire: what is made up for of instants that nobody was there for. */
import { z } from "zod";
import { CATCH_UP_POLICIES } from "../domain/catch-up.ts";
import { durationField, wholeNumberField } from "./common.ts";
import { fieldGroup } from "./field-group.ts";

/** A task may ask for as many runs at once. */
export const MAX_CAUGHT_UP = 1_000;

export const catchUpField = fieldGroup(
  {
    policy: z.enum(CATCH_UP_POLICIES, `must be one of ${CATCH_UP_POLICIES.join(", ")}`).default("latest"),
    /** What was missed longer ago is not made up for. Null: however long ago. */
    window: durationField(1_000).nullable().default(null),
    /** Of `all`: the newest so many. */
    max: wholeNumberField(1, MAX_CAUGHT_UP).prefault(100),
  },
  { window: "windowMs" },
);
