/** `retry` of a policy on the wire: how often a run is tried, what it waits in between, and after which failures. */
import { z } from "zod";
import { isListable, type RetriedFailure } from "../domain/retry.ts";
import { durationField, numberField, refuse, wholeNumberField } from "./common.ts";
import { fieldGroup } from "./field-group.ts";

/** The most a task, a call or a hook may ask for. */
export const MAX_ATTEMPTS = 100;
const DAY_MS = 86_400_000;
const MAX_WAIT_MS = 7 * DAY_MS;
/** Between so many attempts. */
const MAX_WAITS = MAX_ATTEMPTS - 1;
const MAX_LISTED = 100;

/** The one that needs no name. */
const exponential = fieldGroup(
  {
    kind: z.literal("exponential").optional(),
    initial: durationField(1, DAY_MS).prefault("1s"),
    factor: numberField(1, 10).prefault(2),
    max: durationField(1, MAX_WAIT_MS).prefault("5m"),
    jitter: z.boolean().default(true),
  },
  { initial: "initialMs", max: "maxMs" },
);

const linear = fieldGroup(
  {
    kind: z.literal("linear"),
    initial: durationField(1, DAY_MS).prefault("1s"),
    max: durationField(1, MAX_WAIT_MS).prefault("5m"),
    jitter: z.boolean().default(true),
  },
  { initial: "initialMs", max: "maxMs" },
);

const list = fieldGroup(
  {
    kind: z.literal("list"),
    /** The last one also holds for whatever comes after it. */
    waits: z.array(durationField(1, MAX_WAIT_MS)).min(1).max(MAX_WAITS),
    jitter: z.boolean().default(false),
  },
  { waits: "waitsMs" },
);

const CLASS = /^[1-5]xx$/;
const STATUS = /^[1-5]\d\d$/;

/** An error code of runs, a status or a class of statuses. A status that comes as text is a number inside. */
const retriedFailure = z.codec(
  z
    .union([z.number(), z.string()], 'must be an error code, a status such as 503, or a class such as "5xx"')
    .meta({ examples: ["connect_failed", 503, "5xx"] }),
  z.custom<RetriedFailure>(),
  {
    decode(given, context) {
      if (STATUS.test(String(given))) return Number(given);
      if (typeof given === "string" && (CLASS.test(given) || isListable(given))) return given;
      const shown = JSON.stringify(given).slice(0, 100);
      return refuse(
        context,
        `unknown code ${shown}: name a run's error code, a status or a class such as "5xx"`,
      );
    },
    encode: (failure) => failure,
  },
);

export const retryField = fieldGroup({
  /** In all, the first one included. */
  maxAttempts: wholeNumberField(1, MAX_ATTEMPTS).prefault(5),
  backoff: z.discriminatedUnion("kind", [exponential, linear, list]).prefault({}),
  /** Left out: what a failure is by itself says whether it may pass. */
  on: z.array(retriedFailure).min(1).max(MAX_LISTED).optional(),
});
