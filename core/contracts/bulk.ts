/** Bulk actions on the wire: `/v1/bulk`. */
import { z } from "zod";
import {
  BACKFILL,
  BULK_ACTIONS,
  BULK_RESOURCES,
  BULK_STATES,
  type BulkAction,
  type BulkFailure,
  type BulkResource,
  type BulkState,
  type DrivenResource,
  NAMESPACES,
  RUN_NOT_OPEN,
} from "../domain/bulk.ts";
import type { JsonObject } from "../json.ts";
import { type Backfill, backfillOutput } from "./backfill.ts";
import { idOutput, instantOutput, jsonOutput } from "./common.ts";
import { runFilter } from "./run-filter.ts";
import { taskFilter } from "./task-filter.ts";

const ACTIONS: readonly BulkAction[] = [
  ...new Set([...BULK_ACTIONS.tasks, ...BULK_ACTIONS.runs, BACKFILL] as const),
];

/** Says what would be right; of an action of the other resource, whose it is. */
function sayActions(resource: BulkResource, given: unknown): string {
  const taken = `must be one of ${BULK_ACTIONS[resource].join(", ")}`;
  const other = BULK_RESOURCES.find((each) => (BULK_ACTIONS[each] as readonly unknown[]).includes(given));
  return other ? `${taken}: ${String(given)} is for ${other}` : taken;
}

const shared = <Resource extends BulkResource>(resource: Resource) => ({
  resource: z.literal(resource),
  dryRun: z.boolean().default(false).meta({ description: "Count what matches, and change nothing." }),
});

const FILTER = "The query parameters of this resource's list; `{}` for everything.";

const tasksInput = z.strictObject({
  ...shared("tasks"),
  action: z.enum(BULK_ACTIONS.tasks, { error: ({ input }) => sayActions("tasks", input) }),
  filter: taskFilter.meta({ description: FILTER }),
});

const runsInput = z.strictObject({
  ...shared("runs"),
  action: z.enum(BULK_ACTIONS.runs, { error: ({ input }) => sayActions("runs", input) }),
  filter: runFilter.meta({ description: FILTER }),
});

/** The body of `POST /v1/bulk`. */
export const bulkInput = z.discriminatedUnion("resource", [tasksInput, runsInput]).meta({
  examples: [{ action: "cancel", resource: "runs", filter: { state: ["queued"], function: "greet" } }],
});
export type BulkInput = z.output<typeof bulkInput>;

/** A bulk action as it stands. */
export interface Bulk {
  id: string;
  namespaceId: string;
  action: BulkAction;
  resource: DrivenResource;
  /** As a body gives it. */
  filter: JsonObject;
  /** Of a backfill; null: it is another action. */
  backfill: Backfill | null;
  /** Of a backfill: how many. */
  instants: number | null;
  state: BulkState;
  done: number;
  failed: number;
  failures: BulkFailure[];
  error: { code: string; message: string } | null;
  /** Of a namespace's deletion, or an erasure: how many of each kind went. */
  receipt: Record<string, number> | null;
  /** The key of who asked; null where the release before made it. */
  createdBy: string | null;
  /** Of an erasure that was asked to abort: it finishes the tasks that it has begun. */
  isAborting: boolean;
  createdAt: Date;
  updatedAt: Date;
  finishedAt: Date | null;
}

const asked = {
  action: z.enum(ACTIONS),
  resource: z.enum([...BULK_RESOURCES, NAMESPACES]),
  filter: z.record(z.string(), jsonOutput).meta({ description: "The filter of the request." }),
  backfill: backfillOutput.optional(),
};

const reason = { code: z.string(), message: z.string() };

const EXAMPLE = {
  id: "01a20a28-a81c-7294-862d-1a27e97c0d32",
  action: "cancel",
  resource: "runs",
  filter: { state: ["queued"], function: "greet" },
  state: "running",
  matched: 500,
  done: 499,
  failed: 1,
  failures: [{ id: "01a20a28-a81c-7294-862d-15363a1f369a", ...RUN_NOT_OPEN }],
  error: null,
  createdBy: "01a20a22-0882-748a-8c74-f2392339679a",
  createdAt: "2026-11-23T20:46:06.366Z",
  updatedAt: "2026-11-23T20:46:07.388Z",
  finishedAt: null,
};

export const bulkOutput = z
  .object({
    id: idOutput,
    ...asked,
    state: z.enum(BULK_STATES).meta({
      description:
        "`succeeded`: everything that matched was processed; `failed`: it could not continue, see `error`.",
    }),
    matched: z.int().meta({ description: "How many were processed so far: `done` and `failed` together." }),
    done: z.int(),
    failed: z.int().meta({ description: "How many the single route would have refused." }),
    failures: z
      .array(z.object({ id: idOutput, ...reason }))
      .meta({ description: "The first failures, with the reasons." }),
    error: z.object(reason).nullable().meta({
      description: "Why it failed; while it is running, why its last batch failed, which is retried.",
    }),
    receipt: z
      .record(z.string(), z.int())
      .optional()
      .meta({ description: "For a namespace's deletion or an erasure: how many of each kind were removed." }),
    aborting: z.literal(true).optional().meta({
      description: "For an erasure that was asked to abort: it finishes the tasks that it has begun.",
    }),
    createdBy: idOutput.nullable().meta({ description: "The key that made the request." }),
    createdAt: instantOutput,
    updatedAt: instantOutput,
    finishedAt: instantOutput.nullable(),
  })
  .meta({ id: "BulkAction", examples: [EXAMPLE] });
export type WireBulk = z.output<typeof bulkOutput>;

/** The answer to a dry run, of which nothing is kept. */
export const dryRunOutput = z
  .object({
    id: z.null(),
    ...asked,
    state: z.literal("succeeded"),
    matched: z.int().meta({ description: "How many match now." }),
    done: z.literal(0),
    failed: z.literal(0),
  })
  .meta({
    id: "BulkDryRun",
    examples: [
      {
        ...{ id: null, action: "cancel", resource: "runs", filter: { state: ["queued"] } },
        ...{ state: "succeeded", matched: 1_200, done: 0, failed: 0 },
      },
    ],
  });

export function toWireBulk({
  namespaceId: _,
  backfill,
  instants,
  receipt,
  isAborting,
  ...bulk
}: Bulk): WireBulk {
  const { createdAt, updatedAt, finishedAt } = bulk;
  return {
    ...bulk,
    ...(backfill && { backfill: toWireBackfill(backfill, instants!) }),
    ...(receipt && { receipt }),
    ...(isAborting && { aborting: true as const }),
    matched: bulk.done + bulk.failed,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}

export function toWireBackfill({ taskId: _, ...asked }: Backfill, instants: number) {
  return { ...asked, instants };
}
