/** Instants that are to come, as they are shown. */
import { z } from "zod";
import { doesRepeat, type Schedule, zoneOf } from "../domain/schedule/schedule.ts";
import { offsetAt } from "../domain/schedule/zone.ts";
import {
  durationField,
  idOutput,
  instantField,
  instantOutput,
  listQuery,
  pageOf,
  wholeNumberField,
} from "./common.ts";
import { findScheduleFault } from "./schedule-fault.ts";
import { EARLIEST_MS } from "./schedule-fields.ts";
import { unjudgedScheduleField } from "./task-schedule.ts";

export const MAX_PREVIEWED = 100;
export const MAX_WITHIN_MS = 31 * 86_400_000;

const COUNT = { description: "The maximum number of instants." };
const DEFAULT_COUNT = 10;

const countParameter = z.coerce
  .number("must be a whole number from 1 to 100")
  .int("must be a whole number from 1 to 100")
  .min(1, "must be a whole number from 1 to 100")
  .max(MAX_PREVIEWED, "must be a whole number from 1 to 100")
  .default(DEFAULT_COUNT)
  .meta(COUNT);

export const previewInput = (now: () => Date) =>
  z
    .strictObject({
      schedule: unjudgedScheduleField,
      from: instantField.optional().meta({ description: "Instants after this one. Default: now." }),
      count: wholeNumberField(1, MAX_PREVIEWED).prefault(DEFAULT_COUNT).meta(COUNT),
    })
    .superRefine(({ schedule, from }, context) => {
      if (context.issues.length > 0) return;
      const refuse = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
      if (from && from.getTime() < EARLIEST_MS) return refuse(["from"], "lies before the year 1900");
      // What is over by an instant to come has no more to show, and is not wrong for that.
      const madeAt = from && from < now() ? from : now();
      const fault = findScheduleFault(schedule, madeAt);
      if (fault) refuse(["schedule", ...fault.path], fault.message);
    })
    .meta({ examples: [{ schedule: { cron: "0 9 * * 1-5", timezone: "Europe/Rome" }, count: 2 }] });

export const nextQuery = z.object({ count: countParameter });

export const upcomingQuery = listQuery.extend({
  within: durationField(1_000, MAX_WITHIN_MS).prefault("24h"),
});

/** As a chart has room for. */
export const DENSITY_SLICES = 96;
const MIN_DENSITY_MS = 60_000;

export const densityQuery = z.object({
  within: durationField(MIN_DENSITY_MS, MAX_WITHIN_MS).prefault("24h"),
});

export const densityOutput = z
  .object({
    items: z
      .array(
        z.object({
          at: instantOutput.meta({ description: "When the slice begins." }),
          count: z.int().meta({ description: "Instants of all tasks in this slice." }),
        }),
      )
      .meta({ description: `${DENSITY_SLICES} slices of the same length.` }),
    estimated: z.boolean().meta({
      description:
        "Some tasks fire so often that their instants were extrapolated, or there are more tasks than were read.",
    }),
  })
  .meta({
    id: "UpcomingDensity",
    examples: [{ items: [{ at: "2026-12-01T08:00:00.000Z", count: 12 }], estimated: false }],
  });

const instants = {
  nominalAt: instantOutput.meta({ description: "The instant of the schedule." }),
  effectiveAt: instantOutput.meta({ description: "When it fires: with jitter, later by the task's offset." }),
};

const truncated = z.literal(true).optional().meta({
  description: "There may be more: the rule is slow to search, and these were found within the time limit.",
});

const localText = z
  .string()
  .meta({ description: "The nominal instant by the clocks of the schedule's zone." });

const EXAMPLE_INSTANT = {
  nominalAt: "2026-12-01T08:00:00.000Z",
  effectiveAt: "2026-12-01T08:00:00.000Z",
};
const EXAMPLE_LOCAL = "2026-12-01T09:00:00+01:00";
const EXAMPLE_ITEM = {
  taskId: "01a20a22-ed46-778f-b69a-117fc6f8a959",
  name: "nightly report",
  ...EXAMPLE_INSTANT,
};

export const previewOutput = z
  .object({
    description: z.string().meta({ description: "The schedule in plain English." }),
    items: z.array(z.object({ ...instants, local: localText })),
    truncated,
  })
  .meta({
    id: "SchedulePreview",
    examples: [
      { description: "At 09:00, in Europe/Rome.", items: [{ ...EXAMPLE_INSTANT, local: EXAMPLE_LOCAL }] },
    ],
  });

const upcomingItem = z.object({
  taskId: idOutput,
  name: z.string().nullable(),
  ...instants,
});

export const upcomingOutput = pageOf(upcomingItem).meta({
  id: "Upcoming",
  examples: [{ items: [EXAMPLE_ITEM], nextCursor: null }],
});
export const nextOutput = pageOf(upcomingItem.extend({ local: localText }))
  .extend({ truncated })
  .meta({
    id: "NextOccurrences",
    examples: [{ items: [{ ...EXAMPLE_ITEM, local: EXAMPLE_LOCAL }], nextCursor: null }],
  });

/** An instant that is to come. */
export interface ComingInstant {
  nominalAt: Date;
  effectiveAt: Date;
}

export const toWireInstant = ({ nominalAt, effectiveAt }: ComingInstant) => ({
  nominalAt: nominalAt.toISOString(),
  effectiveAt: effectiveAt.toISOString(),
});

/** `2026-12-01T09:00:00+01:00`. */
export function toLocalText(schedule: Schedule, at: Date): string {
  const zone = doesRepeat(schedule)
    ? zoneOf(schedule)
    : schedule.kind === "once"
      ? (schedule.local?.timezone ?? "UTC")
      : "UTC";
  const offsetMs = offsetAt(zone, at.getTime());
  const local = new Date(at.getTime() + offsetMs).toISOString().replace(/(?:\.000)?Z$/, "");
  const minutes = Math.abs(Math.trunc(offsetMs / 60_000));
  const pad = (value: number) => String(value).padStart(2, "0");
  return `${local}${offsetMs < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
