/** A task as the API shows it: the author's own shape, and what Bellhop knows about it. */
import type { JsonObject } from "../json.ts";
import type { TaskInput } from "./task-input.ts";
import { toWirePolicy } from "./task-policy.ts";
import { toWireSchedule } from "./task-schedule.ts";

export const TASK_STATES = ["active", "paused", "completed", "cancelled"] as const;
/** `completed`: no further occurrence; as it is shown, no open run either. */
export type TaskState = (typeof TASK_STATES)[number];

export interface Task extends TaskInput {
  id: string;
  namespaceId: string;
  state: TaskState;
  nextRunAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** The part of a task its author wrote, in the shape `POST /v1/tasks` takes. */
export function toTaskDefinition({ name, spec, schedule, policy, labels }: TaskInput): JsonObject {
  const wireSchedule = toWireSchedule(schedule);
  return {
    ...(spec as unknown as JsonObject),
    name,
    ...(wireSchedule && { schedule: wireSchedule as JsonObject }),
    ...(toWirePolicy(policy) as JsonObject),
    labels,
  };
}

export function toWireTask(task: Task): JsonObject {
  return {
    id: task.id,
    state: task.state,
    schedule: null,
    ...toTaskDefinition(task),
    nextRunAt: task.nextRunAt?.toISOString() ?? null,
    createdAt: task.createdAt.toISOString(),
    updatedAt: task.updatedAt.toISOString(),
  };
}
