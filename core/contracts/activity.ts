/** What went on over time, on the wire: `/v1/activity`. */
import { z } from "zod";
import {
  type ActivitySlice,
  type ActivitySpan,
  MAX_ACTIVITY_MS,
  MIN_ACTIVITY_MS,
} from "../domain/activity.ts";
import { formatDuration } from "../duration.ts";
import { durationField, instantOutput } from "./common.ts";

export const activityQuery = z.object({
  within: durationField(MIN_ACTIVITY_MS, MAX_ACTIVITY_MS).prefault("1h"),
});

const count = (description: string) => z.int().meta({ description });

const slice = z.object({
  at: instantOutput.meta({ description: "When the slice begins." }),
  succeeded: count("Runs that succeeded in this slice."),
  failed: count("Runs that failed, died or expired in this slice."),
  other: count("Runs that were cancelled or skipped in this slice."),
  lateness: z.object({ mean: z.number(), max: z.number() }).nullable().meta({
    description:
      "How long after their instants runs began in this slice, in seconds, for runs that have ended since; null: there are none.",
  }),
  waiting: count("The maximum number of runs that were due and had not begun; counted up to 25,000."),
  running: count(
    "The maximum number of active runs. Calls that ended within a second or so are not included.",
  ),
  workers: z.object({ count: z.int(), slots: z.int(), busy: z.int() }).nullable().meta({
    description: "Of the installation, only for operators; otherwise null, and also if nothing was counted.",
  }),
});

export const activityOutput = z
  .object({
    step: z.string().meta({ description: "The length of a slice: a minute, or more for a longer span." }),
    items: z.array(slice).meta({ description: "The oldest first; the last one is not complete." }),
  })
  .meta({
    id: "Activity",
    examples: [
      {
        step: "1m",
        items: [
          {
            at: "2026-11-23T20:46:00.000Z",
            ...{ succeeded: 118, failed: 2, other: 0, lateness: { mean: 0.004, max: 0.31 } },
            ...{ waiting: 3, running: 12, workers: null },
          },
        ],
      },
    ],
  });

const toSeconds = (ms: number) => Math.round(ms) / 1_000;

export function toWireActivity(
  { stepMs }: ActivitySpan,
  slices: ActivitySlice[],
): z.input<typeof activityOutput> {
  return {
    step: formatDuration(stepMs),
    items: slices.map(({ at, started, lateMs, latestMs, workers, ...counts }) => ({
      at: at.toISOString(),
      ...counts,
      lateness: started === 0 ? null : { mean: toSeconds(lateMs / started), max: toSeconds(latestMs) },
      workers: workers ? { count: workers.workers, slots: workers.slots, busy: workers.busy } : null,
    })),
  };
}
