/** What made a run: its task's schedule, "run now", an invocation, a call of the function's URL, a webhook. */
export const RUN_TRIGGERS = ["schedule", "manual", "invoke", "http", "hook"] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];
