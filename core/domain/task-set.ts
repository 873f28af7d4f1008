/** What giving tasks their definitions by their keys does to each. */
export const SET_CHANGES = ["created", "updated", "unchanged", "pruned"] as const;
export type SetChange = (typeof SET_CHANGES)[number];

/** Of one set. */
export const MAX_SET_TASKS = 1_000;
