/**
 * The text column, hidden from the planner: equal to it, and to no column of an index and no predicate of a partial one.
 * For rows that another index is to find. Where statistics are old the planner takes a partial index on the state of open
 * runs for nearly empty, prefers it to the primary key, and walks a whole backlog to find one row. It walks all
 * active tasks in the same way, by a plan that was made while there were none.
 */
export const unindexed = (column: string): string => `${column} || ''`;
