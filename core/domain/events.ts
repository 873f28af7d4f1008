/** What is told of runs, of tasks, and of what is changed by the API, as it happens. */

/**
 * A run is told as queued once, and again at each redrive; as started when its first attempt begins; then its end. Of a
 * task with an expectation besides: `late`, it has not succeeded in time; `overran`, it has outlasted its cadence.
 */
export const RUN_EVENTS = [
  "queued",
  "started",
  "succeeded",
  "failed",
  "dead",
  "cancelled",
  "skipped",
  "expired",
  "late",
  "overran",
] as const;
export type RunEvent = (typeof RUN_EVENTS)[number];

/** `completed`: its schedule has fired for the last time; `late`: it should have fired, and succeeded, by now. */
export const TASK_EVENTS = [
  "created",
  "changed",
  "paused",
  "resumed",
  "cancelled",
  "completed",
  "deleted",
  "late",
] as const;
export type TaskEvent = (typeof TASK_EVENTS)[number];

/** Of an entry of the audit log: by its action. */
export type AuditEvent = `audit.${string}`;

export type EventType = `run.${RunEvent}` | `task.${TaskEvent}` | AuditEvent;

/**
 * Whose events a reader is shown: everybody those of runs and tasks, who reads the audit log its entries too, an operator also
 * those about the installation.
 */
export const EVENT_AUDIENCES = ["everybody", "admins", "operators"] as const;
export type EventAudience = (typeof EVENT_AUDIENCES)[number];

export const isShownTo = (event: EventAudience, reader: EventAudience): boolean =>
  EVENT_AUDIENCES.indexOf(event) <= EVENT_AUDIENCES.indexOf(reader);

/** Those that have a row of their own: of a run what its row does not say any more once it goes on. */
export type KeptEventType = Extract<
  EventType,
  `task.${string}` | "run.dead" | "run.queued" | "run.late" | "run.overran"
>;
