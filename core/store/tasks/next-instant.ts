/**
 * SQL: one row, the instant of the active task that is due first, or null. The least of an index has one way to be found.
 * A condition on the instant has two, and the planner, for which a young table is empty, may walk all active tasks.
 */
export const NEXT_INSTANT = "SELECT min(next_run_at) FROM tasks WHERE state = 'active'";
