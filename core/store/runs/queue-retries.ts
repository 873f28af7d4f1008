/** Waiting retries become queued again. */
import type { Store } from "../database.ts";
import { rejoinLines } from "../limits/rejoin-lines.ts";
import { FIRST_TURN } from "../limits/turns.ts";
import { STAGED, type StagedRun } from "./staged-run.ts";
import { DUE_RETRIES, type Taken, takeDue } from "./take-due.ts";

const queueRetries = (take: string) => `
  WITH due AS MATERIALIZED (${take})
  UPDATE task_runs_open r SET state = 'queued', queued_at = clock_timestamp() FROM due d WHERE r.id = d.id
  RETURNING r.id, ${STAGED}, r.turn = ${FIRST_TURN} AS "comesFirst", d.own_namespace, d.visited_last`;

/** A retry that was queued. */
export interface QueuedRetry extends StagedRun {
  /** Its queue rests, or rested, for its sake. */
  comesFirst: boolean;
}

interface RetryRow extends StagedRun {
  id: string;
  comesFirst: boolean | null;
}

/**
 * scheduled → queued for retries whose instant comes before `horizon`.
 * @param notFirst told why those for whose sake a queue rests did not come to the head of its line; they are queued all the same
 */
export async function queueDueRetries(
  store: Pick<Store, "pool">,
  horizon: Date,
  limit: number,
  notFirst: (error: unknown) => void = fail,
): Promise<QueuedRetry[]> {
  const queued = await takeDue<RetryRow>(
    DUE_RETRIES,
    store,
    { columns: "id", horizon, limit },
    async (take, values) => (await store.pool.query<RetryRow & Taken>(queueRetries(take), values)).rows,
  );
  const first = queued.filter(({ comesFirst }) => comesFirst).map(({ id }) => id);
  // They are rung whatever becomes of it.
  if (first.length > 0) await rejoinLines(store, first).catch(notFirst);
  return queued.map(({ runId, availableAt, traceparent, comesFirst }) => ({
    ...{ runId, availableAt, traceparent },
    comesFirst: comesFirst === true,
  }));
}

function fail(error: unknown): never {
  throw error;
}
