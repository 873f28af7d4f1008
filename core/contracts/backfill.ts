/** `POST /v1/tasks/{id}/backfill`: what it takes, and what its bulk action shows of it. */
import { z } from "zod";
import { BACKFILL_OVERLAPS, type BackfillOverlap, MAX_BACKFILL } from "../domain/backfill.ts";
import { instantField, instantOutput, wholeNumberField } from "./common.ts";
import { EARLIEST_MS } from "./schedule-fields.ts";

const OVERLAP_FAULT = `must be one of ${BACKFILL_OVERLAPS.join(", ")}: every instant of a backfill becomes a run`;

export const backfillInput = (now: () => Date) =>
  z
    .strictObject({
      from: instantField.meta({ description: "The first instant that may get a run." }),
      to: instantField.meta({ description: "Instants before this one get a run. Not in the future." }),
      overlap: z.enum(BACKFILL_OVERLAPS, OVERLAP_FAULT).optional().meta({
        description:
          "`allow`: all at once; `wait`: one after another. Default: `allow` for a task whose own `overlap` is `allow`, otherwise `wait`.",
      }),
      max: wholeNumberField(1, MAX_BACKFILL)
        .prefault(500)
        .meta({ description: "If there are more instants than this, none gets a run." }),
      dryRun: z.boolean().default(false).meta({ description: "Count the instants, and create nothing." }),
    })
    .superRefine(({ from, to }, context) => {
      // One that was refused is still the text that was sent.
      if (!(from instanceof Date && to instanceof Date)) return;
      const refuse = (field: "from" | "to", message: string) =>
        context.addIssue({ code: "custom", path: [field], message });
      if (from.getTime() < EARLIEST_MS) refuse("from", "lies before the year 1900");
      else if (to <= from) refuse("to", "must lie after from");
      else if (to > now()) refuse("to", "is in the future: future instants fire by themselves");
    })
    .meta({ examples: [{ from: "2026-11-01T00:00:00Z", to: "2026-11-08T00:00:00Z", overlap: "wait" }] });
export type BackfillInput = z.output<ReturnType<typeof backfillInput>>;

/** As it is kept. */
export interface Backfill {
  taskId: string;
  /** ISO 8601, as `to`. */
  from: string;
  to: string;
  overlap: BackfillOverlap;
  max: number;
}

/** What a bulk action says besides where it is a backfill. */
export const backfillOutput = z
  .object({
    from: instantOutput,
    to: instantOutput,
    overlap: z.enum(BACKFILL_OVERLAPS),
    max: z.int(),
    instants: z.int().meta({ description: "The total number of runs that it creates." }),
  })
  .meta({ description: "Only for a backfill; `filter` names its task." });
