/**
 * SQL: one row, the instant of the active task that is due first, or null; of those due by `until`, where that is given,
 * which keeps from walking past what was cancelled of later ones. It is asked for by the least of the index, of which one
 * entry is read. Whether there is any has two ways, and the planner, for which a young table is empty, may walk all active
 * tasks.
 */
export const nextInstant = (until?: string): string =>
  `SELECT min(next_run_at) FROM tasks WHERE state = 'active'${until === undefined ? "" : ` AND next_run_at <= ${until}`}`;
