/**
 * SQL: the row's `column` is `value`, found by an index for one value after another. As a condition between two tables it
 * allows no hash and no merge join, which read the whole of a table: a plan that was made while that was small does no
 * harm for the while it is kept (`PLAN_KEPT_MS`), when the table grows meanwhile.
 */
export const byIndex = (column: string, value: string): string => `${column} = ANY (ARRAY[${value}])`;
