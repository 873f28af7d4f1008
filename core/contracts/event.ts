/** Events on the wire: CloudEvents 1.0 in JSON, by page or live (`/v1/events`). */
import { z } from "zod";
import { parsePosition } from "../domain/event-position.ts";
import { type EventType, RUN_EVENTS, TASK_EVENTS } from "../domain/events.ts";
import { RUN_TRIGGERS } from "../domain/run-trigger.ts";
import { TASK_TYPES } from "../domain/task-spec.ts";
import type { JsonObject } from "../json.ts";
import { auditEntryOutput } from "./audit.ts";
import { filterField, idOutput, instantOutput, listQuery, refuse } from "./common.ts";
import { taskNameField } from "./task-key.ts";

/** An event's id, or how far a page came; a position inside. */
export const positionField = z.string().transform((text, context) => {
  return parsePosition(text) ?? refuse(context, "must be the id of an event, or a nextCursor");
});

/** The query of `GET /v1/events`. */
export const eventQuery = z.object({
  limit: listQuery.shape.limit,
  after: filterField(positionField).meta({
    description: "The `id` of an event, or the `nextCursor` of the previous page: returns what follows it.",
  }),
  runId: filterField(z.uuid("must be the id of a run").toLowerCase()).meta({
    description: "Only events of this run.",
  }),
  taskId: filterField(taskNameField).meta({
    description: "Only events of this task and its runs: its id, or its key.",
  }),
  follow: z
    .enum(["true", "false"], "must be true or false")
    .default("false")
    .meta({ description: "`true`: a stream of new events." }),
});

const shownError = z.object({ code: z.string(), message: z.string() });

const runData = z.object({
  runId: idOutput,
  taskId: idOutput.nullable(),
  function: z.string().nullable(),
  type: z.enum(TASK_TYPES),
  trigger: z.enum(RUN_TRIGGERS),
  scheduledFor: instantOutput,
  attempt: z.int(),
  replayOf: idOutput.nullable(),
  callbackOf: idOutput.nullable(),
  error: shownError
    .nullable()
    .meta({ description: "For a run that did not succeed; the run has the details." }),
  dueAt: instantOutput.optional().meta({ description: "For a late run: by when it had to succeed." }),
  waitMs: z.int().optional().meta({ description: "For a run that overran: how long it waited." }),
  runMs: z.int().nullable().optional().meta({
    description: "For a run that overran: how long it ran, until now or its end; null: not at all.",
  }),
});

const taskData = z.object({
  taskId: idOutput,
  function: z.string().nullable(),
  name: z.string().nullable(),
  type: z.enum(TASK_TYPES),
  state: z.string().meta({ description: "The state after the event." }),
  pausedReason: z.string().nullable(),
  nextRunAt: instantOutput.nullable(),
  scheduledFor: instantOutput.optional().meta({ description: "For a late task: when it should have fired." }),
  dueAt: instantOutput.optional().meta({ description: "For a late task: by when it had to succeed." }),
});

const attributes = {
  specversion: z.literal("1.0"),
  id: z.string().meta({ description: "Also its position in the stream: see `after`." }),
  source: z.string().meta({ description: "The namespace." }),
  subject: z.string().meta({
    description:
      "`runs/` or `tasks/`, and the id; for the audit log, what was changed, such as `queues/mail`.",
  }),
  time: instantOutput,
  datacontenttype: z.literal("application/json"),
};

const ID = "01a20a28-a81c-7294-862d-1a27e97c0d32";
const TASK_ID = "01a20a28-a81c-7294-862d-15363a1f369a";

const EXAMPLE = {
  specversion: "1.0",
  id: `1795466766-48211-3-${ID}`,
  source: "/namespaces/01a20a28-0882-748a-8c74-f2392339679a",
  type: "bellhop.run.succeeded",
  subject: `runs/${ID}`,
  time: "2026-11-23T20:46:06.388Z",
  datacontenttype: "application/json",
  data: {
    ...{ runId: ID, taskId: TASK_ID, function: null, type: "http", trigger: "schedule" },
    ...{
      scheduledFor: "2026-11-23T20:46:06.366Z",
      attempt: 1,
      replayOf: null,
      callbackOf: null,
      error: null,
    },
  },
};

const namesOf = (of: string, events: readonly string[]) =>
  events.map((event) => `bellhop.${of}.${event}`) as [string, ...string[]];

export const eventOutput = z
  .union([
    z.object({ ...attributes, type: z.enum(namesOf("run", RUN_EVENTS)), data: runData }),
    z.object({ ...attributes, type: z.enum(namesOf("task", TASK_EVENTS)), data: taskData }),
    z.object({
      ...attributes,
      type: z.templateLiteral(["bellhop.audit.", z.string().regex(/^[A-Za-z]+$/)]).meta({
        description: "Ends with the entry's `action`.",
      }),
      data: auditEntryOutput,
    }),
  ])
  .meta({ id: "Event", description: "A CloudEvent (1.0).", examples: [EXAMPLE] });
export type WireEvent = z.output<typeof eventOutput>;

export interface EventFacts {
  id: string;
  type: EventType;
  at: Date;
  namespaceId: string;
  taskId: string | null;
  runId: string | null;
  functionName: string | null;
  data: JsonObject;
}

export function toWireEvent(event: EventFacts): WireEvent {
  const { id, type, at, namespaceId, taskId, runId, functionName, data } = event;
  const of = type.startsWith("audit.")
    ? { subject: data["resource"], data: { ...data, at: at.toISOString() } }
    : runId === null
      ? {
          subject: `tasks/${taskId}`,
          data: { taskId, function: functionName, ...data, nextRunAt: toIso(data["nextRunAt"]) },
        }
      : {
          subject: `runs/${runId}`,
          data: { runId, taskId, function: functionName, ...data, scheduledFor: toIso(data["scheduledFor"]) },
        };
  return {
    specversion: "1.0",
    id,
    source: `/namespaces/${namespaceId}`,
    type: `bellhop.${type}`,
    time: at.toISOString(),
    datacontenttype: "application/json",
    ...of,
  } as WireEvent;
}

/** The database writes instants in its own way. */
const toIso = (instant: unknown) => instant && new Date(instant as string).toISOString();
