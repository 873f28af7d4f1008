/** A task as the API shows it: the author's own shape, and what Bellhop knows about it. */
import { z } from "zod";
import { TASK_TYPES, type TaskType } from "../domain/task-spec.ts";
import type { JsonObject } from "../json.ts";
import { callbacksOutput } from "./callbacks.ts";
import { examplesOf, idOutput, instantOutput } from "./common.ts";
import type { TaskInput } from "./task-input.ts";
import { DEFAULT_POLICY, shownPolicy, toWirePolicy } from "./task-policy.ts";
import { scheduleOutput, toWireSchedule } from "./task-schedule.ts";
import { shownSpec, shownSpecFields } from "./task-spec.ts";

export const TASK_STATES = ["active", "paused", "completed", "cancelled"] as const;
/** `completed`: no further occurrence; as it is shown, no open run either. */
export type TaskState = (typeof TASK_STATES)[number];

/** Somebody paused it, or its runs failed one after the other. */
export const PAUSE_REASONS = ["requested", "failures"] as const;
export type PauseReason = (typeof PAUSE_REASONS)[number];

export interface Task extends TaskInput {
  id: string;
  namespaceId: string;
  state: TaskState;
  nextRunAt: Date | null;
  /** Why the next instant of an active task could not be found. */
  scheduleError: string | null;
  /** Of a paused one. */
  pausedAt: Date | null;
  pausedReason: PauseReason | null;
  createdAt: Date;
  updatedAt: Date;
}

const shared = {
  key: z.string().nullable().meta({ description: "Chosen by its author, usable in place of the id." }),
  name: z.string().nullable(),
  schedule: scheduleOutput,
  ...shownPolicy,
  labels: z.record(z.string(), z.string()),
  on: callbacksOutput,
  nextRunAt: instantOutput.nullable().meta({ description: "Null if there is no further instant." }),
  scheduleError: z.string().optional().meta({
    description:
      "For an active task whose next instant could not be found: why. The search is repeated every minute.",
  }),
  pausedAt: instantOutput.optional().meta({ description: "For a paused task: since when." }),
  pausedReason: z.enum(PAUSE_REASONS).optional().meta({
    description: "For a paused task: somebody asked for it, or its runs failed one after the other.",
  }),
  createdAt: instantOutput,
  updatedAt: instantOutput,
};

const ofType = <Type extends TaskType>(type: Type) =>
  z.object({
    id: idOutput,
    state: z.enum(TASK_STATES),
    type: z.literal(type),
    ...shownSpecFields[type],
    ...shared,
  });
type Option = { [Type in TaskType]: ReturnType<typeof ofType<Type>> }[TaskType];

export const taskOutput = z
  .discriminatedUnion("type", TASK_TYPES.map(ofType) as unknown as [Option, ...Option[]])
  .meta({
    id: "Task",
    description:
      "The current state of a task: what its author wrote, defaults filled in, and what Bellhop knows.",
    examples: [
      {
        id: "01a20a22-ed46-778f-b69a-117fc6f8a959",
        key: "billing:nightly",
        state: "active",
        schedule: { cron: "30 2 * * *", timezone: "Europe/Rome" },
        type: "http",
        url: "https://example.com/reports",
        method: "POST",
        headers: {},
        body: { kind: "nightly" },
        followRedirects: true,
        name: "nightly report",
        ...toWirePolicy(DEFAULT_POLICY),
        timeout: "1m",
        expect: { within: "2h" },
        queue: "default",
        concurrencyKey: null,
        rateKey: null,
        priority: 50,
        debounce: null,
        collect: null,
        labels: { team: "billing" },
        on: { failure: [{ type: "email", to: "ops@example.com" }] },
        nextRunAt: "2026-11-24T01:30:00.000Z",
        createdAt: "2026-11-23T20:39:50.854Z",
        updatedAt: "2026-11-23T20:39:50.854Z",
      },
    ],
  });

const withRunId = (option: Option) =>
  option.extend({
    runId: idOutput.optional().meta({ description: "The run that was created with it." }),
    joined: z.boolean().optional().meta({
      description: "For a task without a schedule that has `debounce`: whether it replaced an earlier one.",
    }),
  });

export const createdTaskOutput = z
  .discriminatedUnion(
    "type",
    taskOutput.options.map(withRunId) as unknown as [
      ReturnType<typeof withRunId>,
      ...ReturnType<typeof withRunId>[],
    ],
  )
  .meta({ id: "CreatedTask", examples: examplesOf(taskOutput) });
export type WireTask = z.output<typeof taskOutput>;
type WireCreatedTask = z.output<typeof createdTaskOutput>;

/** The part of a task its author wrote, in the shape `POST /v1/tasks` takes. */
export function toTaskDefinition({ key, name, spec, schedule, policy, labels, on }: TaskInput): JsonObject {
  const wireSchedule = toWireSchedule(schedule);
  return {
    key,
    ...(shownSpec(spec) as unknown as JsonObject),
    name,
    ...(wireSchedule && { schedule: wireSchedule as JsonObject }),
    ...(toWirePolicy(policy) as JsonObject),
    labels,
    on: on as JsonObject | null,
  };
}

export function toWireTask(task: Task): WireTask {
  return {
    id: task.id,
    key: task.key,
    state: task.state,
    schedule: toWireSchedule(task.schedule),
    ...shownSpec(task.spec),
    name: task.name,
    ...toWirePolicy(task.policy),
    labels: task.labels,
    on: task.on,
    nextRunAt: task.nextRunAt?.toISOString() ?? null,
    ...(task.scheduleError ? { scheduleError: task.scheduleError } : {}),
    ...(task.pausedAt ? { pausedAt: task.pausedAt.toISOString() } : {}),
    ...(task.pausedReason ? { pausedReason: task.pausedReason } : {}),
    createdAt: task.createdAt.toISOString(),
    updatedAt: task.updatedAt.toISOString(),
  };
}

export function toWireCreated({
  task,
  runId,
  joined,
}: {
  task: Task;
  runId: string | undefined;
  joined?: boolean;
}): WireCreatedTask {
  return {
    ...toWireTask(task),
    ...(runId !== undefined && { runId }),
    ...(joined !== undefined && { joined }),
  };
}
