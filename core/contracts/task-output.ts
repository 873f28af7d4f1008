/** A task as the API shows it: the author's own shape, and what Bellhop knows about it. */

import type { RetryPolicy } from "../domain/retry.ts";
import type { Schedule } from "../domain/schedule.ts";
import type { TaskSpec } from "../domain/task-spec.ts";
import { formatDuration } from "../duration.ts";
import type { Json, JsonObject } from "../json.ts";

export const TASK_STATES = ["active", "paused", "completed", "cancelled"] as const;
/** `completed`: no further occurrence; its last run may still be under way. */
export type TaskState = (typeof TASK_STATES)[number];

export interface Task {
  id: string;
  namespaceId: string;
  name: string | null;
  state: TaskState;
  spec: TaskSpec;
  schedule: Schedule;
  retry: RetryPolicy;
  timeoutMs: number;
  deadLetter: boolean;
  labels: Record<string, string>;
  nextRunAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** The part of a task its author wrote, in the shape `POST /v1/tasks` takes. */
export function toTaskDefinition(task: Task): JsonObject {
  const { maxAttempts, backoff } = task.retry;
  return {
    ...(task.spec as unknown as JsonObject),
    name: task.name,
    ...(task.schedule.kind === "now" ? {} : { schedule: toWireSchedule(task.schedule) }),
    retry: {
      maxAttempts,
      backoff: {
        initial: formatDuration(backoff.initialMs),
        factor: backoff.factor,
        max: formatDuration(backoff.maxMs),
        jitter: backoff.jitter,
      },
    },
    timeout: formatDuration(task.timeoutMs),
    deadLetter: task.deadLetter,
    labels: task.labels,
  };
}

function toWireSchedule(schedule: Schedule): Json {
  switch (schedule.kind) {
    case "now":
      return null;
    case "once":
      return { at: schedule.at };
    case "delay":
      return { delay: formatDuration(schedule.delayMs) };
    case "every":
      return { every: formatDuration(schedule.everyMs) };
    case "cron":
      return { cron: schedule.expression, timezone: schedule.timezone };
  }
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
