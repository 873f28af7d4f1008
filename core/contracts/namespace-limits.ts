/** Limits of namespaces on the wire, and what of them is used. */
import { z } from "zod";
import { MAX_COUNTED, type NamespaceLimits } from "../domain/namespace-limits.ts";
import { durationField, instantOutput, wholeNumberField } from "./common.ts";
import { fieldGroup, toShown } from "./field-group.ts";
import { MAX_CONCURRENCY } from "./queue.ts";

export const MAX_REQUEST_RATE = 1_000_000;
const MIN_RATE_MS = 1_000;
export const MAX_RATE_MS = 3_600_000;

const countField = (description: string, max = 1_000_000_000, min = 0) =>
  wholeNumberField(min, max).nullable().default(null).meta({ description });

const limitFields = {
  requests: fieldGroup(
    { limit: wholeNumberField(1, MAX_REQUEST_RATE), per: durationField(MIN_RATE_MS, MAX_RATE_MS) },
    { per: "perMs" },
  )
    .nullable()
    .default(null)
    .meta({ description: "Requests under `/v1` per key, at each API." }),
  tasks: countField("Tasks that may still fire: active or paused."),
  functions: countField("Functions."),
  codeBytes: countField("Stored bytes of all revisions of existing functions.", 1_000_000_000_000),
  followers: countField("Concurrently open streams of logs and events, over all APIs.", 1_000_000),
  concurrentRuns: countField(
    "Concurrently active runs, across all workers, including calls of functions.",
    MAX_CONCURRENCY,
    1,
  ),
  slotsShare: countField(
    "The percentage of all workers' slots that runs may take at once: of the existing slots, and at least one slot.",
    100,
    1,
  ),
  runsPerDay: countField("New runs per day, UTC."),
  storedBytes: countField(
    "Stored bytes of what runs were given, returned and logged, and of what functions store.",
    1_000_000_000_000_000,
  ),
};

const EXAMPLE = {
  requests: { limit: 600, per: "1m" },
  tasks: 1_000,
  functions: 50,
  codeBytes: null,
  followers: 20,
  concurrentRuns: 100,
  slotsShare: 25,
  runsPerDay: 50_000,
  storedBytes: 5_000_000_000,
};

/** The body of `PUT /v1/namespaces/{name}/limits`. What is left out, or null, is not limited. */
export const namespaceLimitsInput = z.strictObject(limitFields).meta({ examples: [EXAMPLE] });

const limitsOutput = toShown(z.strictObject(limitFields));
export const namespaceLimitsOutput = limitsOutput.meta({ id: "NamespaceLimits", examples: [EXAMPLE] });

const limitsCodec = fieldGroup(limitFields);

export const toWireNamespaceLimits = (limits: NamespaceLimits) =>
  limitsCodec.encode(limits) as z.output<typeof limitsOutput>;

const used = (description: string) =>
  z
    .object({
      limit: z.int().nullable().meta({ description: "Null: there is no limit." }),
      used: z.int(),
      exact: z.boolean().meta({
        description: `False: there are more. It counts up to ${MAX_COUNTED.toLocaleString("en-US")}.`,
      }),
      resetsAt: instantOutput
        .nullable()
        .meta({ description: "When more becomes available by itself; null: never." }),
    })
    .meta({ description });

export const usageOutput = z
  .object({
    namespace: z.string(),
    tasks: used("Tasks that may still fire."),
    functions: used("Functions."),
    codeBytes: used("Stored bytes of all revisions of existing functions."),
    concurrentRuns: used("Active runs: running, or to be completed later."),
    slotsShare: used("The same runs, relative to the number of slots in the share at the moment."),
    runsPerDay: used("New runs today, UTC; not counted without a limit."),
    storedBytes: used(
      "Stored bytes of what runs were given, returned and logged, and of what functions store, as last measured; not measured without a limit.",
    ),
    followers: used("Open streams of logs and events; without a limit accurate to ten seconds."),
    requests: used("Requests of this key at this API that currently count.").extend({
      per: z.string().nullable().meta({ description: "The period; null: there is no limit." }),
    }),
  })
  .meta({
    id: "Usage",
    examples: [
      {
        namespace: "billing",
        tasks: { limit: 1_000, used: 12, exact: true, resetsAt: null },
        functions: { limit: 50, used: 3, exact: true, resetsAt: null },
        codeBytes: { limit: null, used: 52_480, exact: true, resetsAt: null },
        concurrentRuns: { limit: 100, used: 7, exact: true, resetsAt: null },
        slotsShare: { limit: 16, used: 7, exact: true, resetsAt: null },
        runsPerDay: { limit: 50_000, used: 1_234, exact: true, resetsAt: "2026-11-24T00:00:00.000Z" },
        storedBytes: {
          limit: 5_000_000_000,
          used: 731_204,
          exact: true,
          resetsAt: "2026-12-18T00:00:00.000Z",
        },
        followers: { limit: 20, used: 2, exact: true, resetsAt: null },
        requests: { limit: 600, used: 41, exact: true, resetsAt: "2026-11-23T20:46:06.388Z", per: "1m" },
      },
    ],
  });

/** What is used, of as many things as were looked at; not exact: there is more. */
export interface UsedCount {
  used: number;
  isExact: boolean;
}

export const toWireCount = (limit: number | null, { used, isExact }: UsedCount) => ({
  ...{ limit, used, exact: isExact, resetsAt: null },
});
