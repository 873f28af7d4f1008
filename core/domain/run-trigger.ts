/**
 * What made a run: its task's schedule, "run now", an invocation, a call of the function's URL, a webhook, the end of another
 * run, a backfill of its task.
 */
export const RUN_TRIGGERS = ["schedule", "manual", "invoke", "http", "hook", "callback", "backfill"] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];
