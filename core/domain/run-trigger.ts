/** What made a run: its task's schedule, "run now", an invocation, a call of the function's URL, a webhook. */
export type RunTrigger = "schedule" | "manual" | "invoke" | "http" | "hook";
