/** What is done to a task. */
export const TASK_CHANGES = ["created", "changed", "paused", "resumed", "cancelled"] as const;
export type TaskChangeKind = (typeof TASK_CHANGES)[number];

/** Of one task; the oldest go first. */
export const MAX_KEPT_CHANGES = 1_000;
