/**
 * Who takes several rows takes them in an order of its own: the ends of a batch as they came, a cancel as the index has
 * its task's runs. Two of them may wait for each other; PostgreSQL ends one after a second (`deadlock_timeout`), and
 * nothing of that one stays. One order for all would be a sort and a lock before every end of a run, for what happens
 * hardly ever.
 */
const DEADLOCK_DETECTED = "40P01";

export const isDeadlock = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === DEADLOCK_DETECTED;

/**
 * `work` is a whole transaction, or a statement that is one: after a deadlock that chose it, it is done once more, for by
 * then the other one has what it waited for.
 */
export async function retryDeadlock<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isDeadlock(error)) throw error;
    return await work();
  }
}
