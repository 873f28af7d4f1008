/**
 * SQL: one row, the instant of the active task that is due first, or null; of those due by `until`, where that is given,
 * which keeps from walking past what was cancelled later than that. The least of an index has one way to be found. Whether
 * there is any has two, and the planner, for which a young table is empty, may walk all active tasks.
 */
export const nextInstant = (until?: string): string =>
  `SELECT min(next_run_at) FROM tasks WHERE state = 'active'${until === undefined ? "" : ` AND next_run_at <= ${until}`}`;
