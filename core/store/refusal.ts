/**
 * Whether PostgreSQL refused a statement for what it holds (classes 22 and 23): a value that no column takes, or a
 * constraint. It has changed nothing, and nothing is wrong with its connection.
 */
export const isRefusal = (error: unknown): boolean =>
  /^2[23]\w{3}$/.test(String((error as { code?: unknown } | null | undefined)?.code));
