/** Queues on the wire: their limits, and what runs and waits in them. */
import { z } from "zod";
import {
  type PausedUntil,
  type QueueLimits,
  UNTIL_RESUMED,
  WAIT_REASONS,
  type WaitReason,
} from "../domain/queue.ts";
import { durationField, instantField, instantOutput, nameField, wholeNumberField } from "./common.ts";
import { fieldGroup, toShown } from "./field-group.ts";

export const MAX_CONCURRENCY = 100_000;
const MIN_RATE_MS = 1_000;
const MAX_RATE_MS = 30 * 86_400_000;

const concurrency = wholeNumberField(1, MAX_CONCURRENCY).nullable().default(null);

const MAX_RATE = 100_000;
/** How many starts may lie between one and the next. */
const rate = fieldGroup(
  {
    limit: wholeNumberField(1, MAX_RATE),
    per: durationField(MIN_RATE_MS, MAX_RATE_MS),
    burst: wholeNumberField(1, MAX_RATE).nullable().default(null),
  },
  { per: "perMs" },
)
  .nullable()
  .default(null);

const perKey = fieldGroup({ concurrency, rate });

/** What is left out, or null, limits nothing. */
const limitFields = {
  /** Runs at once. */
  concurrency,
  /** Starts in a time. */
  rate,
  /** Of the runs that have the same key. */
  perKey: perKey.nullable().default(null),
  restOn429: z.boolean().default(false).meta({
    description: "Whether a 429 or 503 with `Retry-After` to an HTTP task pauses the queue until then.",
  }),
};

export const queueLimitsOutput = toShown(z.strictObject(limitFields));

const EXAMPLE_INPUT = {
  concurrency: 5,
  rate: { limit: 10, per: "1s", burst: 20 },
  perKey: { concurrency: 1, rate: null },
  restOn429: true,
};

interface Pause {
  paused?: boolean | undefined;
  pausedUntil?: Date | null | undefined;
}

export const queueInput = z
  .strictObject({
    ...limitFields,
    paused: z.boolean().optional().meta({
      description: "Whether it is paused. If this and `pausedUntil` are left out, it stays as it is.",
    }),
    pausedUntil: instantField
      .nullable()
      .optional()
      .meta({ description: "When the pause ends by itself; null: when it is resumed, if it is paused." }),
  })
  .refine(({ paused, pausedUntil }) => paused !== false || !pausedUntil, {
    path: ["pausedUntil"],
    message: "must be null or left out if `paused` is false",
  })
  .meta({ examples: [EXAMPLE_INPUT] });

export const pauseInput = z
  .strictObject({
    until: instantField
      .nullable()
      .default(null)
      .meta({ description: "When the pause ends by itself; null: when it is resumed." }),
  })
  .meta({ examples: [{ until: "2026-12-01T09:00:00Z" }] });

/** What the pause that stands becomes; undefined: it stays. */
export function choosePause({
  paused,
  pausedUntil,
}: Pause): PausedUntil | ((standing: PausedUntil) => PausedUntil) | undefined {
  if (pausedUntil) return pausedUntil;
  if (paused !== undefined) return paused ? UNTIL_RESUMED : null;
  return pausedUntil === null ? withoutEnd : undefined;
}

/** `"pausedUntil": null` alone takes the end of a pause away, and pauses nothing. */
const withoutEnd = (standing: PausedUntil): PausedUntil => standing && UNTIL_RESUMED;

export const queueNameParam = nameField.meta({ description: "The queue's name.", examples: ["mail"] });

const count = z.int();

export const queueOutput = z
  .object({
    name: z.string(),
    ...queueLimitsOutput.shape,
    paused: z.boolean(),
    pausedUntil: instantOutput.nullable().meta({ description: "Null if the pause has no end." }),
    running: count,
    waiting: count.meta({ description: "Queued runs whose time has come." }),
    oldestWaitingAt: instantOutput.nullable().meta({ description: "When the oldest of these could start." }),
    waitingFor: z
      .object(
        Object.fromEntries(WAIT_REASONS.map((reason) => [reason, count])) as Record<WaitReason, typeof count>,
      )
      .meta({ description: "How many wait for what." }),
  })
  .meta({
    id: "Queue",
    description: "A named set of runs, and its limits.",
    examples: [
      {
        name: "mail",
        ...EXAMPLE_INPUT,
        ...{ paused: false, pausedUntil: null, running: 5, waiting: 12 },
        oldestWaitingAt: "2026-11-23T20:46:06.366Z",
        waitingFor: Object.fromEntries(
          WAIT_REASONS.map((reason) => [reason, reason === "concurrency" ? 12 : 0]),
        ),
      },
    ],
  });

interface QueueFacts {
  name: string;
  limits: QueueLimits;
  pausedUntil: PausedUntil;
  running: number;
  waiting: number;
  oldestWaitingAt: Date | null;
  waitingFor: Record<WaitReason, number>;
}

const limitsCodec = fieldGroup(limitFields);

export const toWireLimits = (limits: QueueLimits) =>
  limitsCodec.encode(limits) as z.output<typeof queueLimitsOutput>;

export const toWirePause = (pausedUntil: PausedUntil) => ({
  paused: pausedUntil !== null,
  pausedUntil: pausedUntil instanceof Date ? pausedUntil.toISOString() : null,
});

export function toWireQueue({
  name,
  limits,
  pausedUntil,
  ...counts
}: QueueFacts): z.output<typeof queueOutput> {
  return {
    name,
    ...toWireLimits(limits),
    ...toWirePause(pausedUntil),
    ...counts,
    oldestWaitingAt: counts.oldestWaitingAt?.toISOString() ?? null,
  };
}
