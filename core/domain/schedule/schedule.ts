/** When a task fires, as it is stored. */
export type Schedule =
  /** At once, when the task is made. */
  | { kind: "now" }
  | { kind: "once"; at: string }
  | { kind: "delay"; delayMs: number }
  | { kind: "every"; everyMs: number }
  | { kind: "cron"; expression: string; timezone: string };

/** How late a `once` may be when it arrives: clocks differ a little. */
export const ONCE_GRACE_MS = 5_000;
export const MIN_EVERY_MS = 1_000;
