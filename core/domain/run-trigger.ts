/** What makes a run: its task's schedule, "run now", an invocation, a call of the function's URL, a webhook. */
export const RUN_TRIGGERS = ["schedule", "manual", "invoke", "http", "hook"] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** A revision that is asked for by name, in place of the one the function's traffic would choose. */
export type RunTarget = { tag: string } | { revision: string };
