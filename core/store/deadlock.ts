/**
 * Who takes several rows takes them in an order of its own: the ends of a batch as they came, a cancel as the index has
 * its task's runs. Two of them may wait for each other; PostgreSQL ends one after a second (`deadlock_timeout`), and
 * nothing of that one stays. One order for all would be a sort and a lock before every end of a run, for what happens
 * hardly ever.
 */
import { setTimeout as sleep } from "node:timers/promises";

const DEADLOCK_DETECTED = "40P01";

export const isDeadlock = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === DEADLOCK_DETECTED;

/** Who is woken when the other's rows are free needs a moment to take them: whoever was ended leaves it to him. */
const WAITS_MS = [10, 50, 250];

/**
 * `work` is a whole transaction, or a statement that is one: after a deadlock that chose it, it is done once more, for by
 * then the other one has what it waited for; on a busy machine up to three times.
 */
export async function retryDeadlock<T>(work: () => Promise<T>): Promise<T> {
  for (const waitMs of WAITS_MS) {
    try {
      return await work();
    } catch (error) {
      if (!isDeadlock(error)) throw error;
    }
    await sleep(waitMs * (0.5 + Math.random() / 2));
  }
  return await work();
}
