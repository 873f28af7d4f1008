/** A queue rests where the server that its runs call is overloaded; the run that found out is the first that tries again. */

import { DEFAULT_QUEUE, queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS } from "../../domain/queue.ts";
import type { Store } from "../database.ts";
import { queueKeySql } from "../limits/permits.ts";
import { type QueueRow, saveQueuePause } from "../limits/queue-limits.ts";
import { revokePermits } from "../limits/revoke-permits.ts";
import { FIRST_TURN } from "../limits/turns.ts";
import type { ClaimedRun } from "../runs/claim.ts";
import { inTransaction } from "../transaction.ts";

/** A pause is not moved by less: every 429 of a burst of them would. */
const LEAST_REST = "interval '1 second'";

/**
 * Pauses the queue of a run for so long, if it rests on a 429 and is not paused for as long, or nearly. Before the
 * run ends that was answered so: its retry comes first in the line (rejoin-lines.ts).
 */
export async function restQueue(
  store: Store,
  { id, claimNo }: Pick<ClaimedRun, "id" | "claimNo">,
  restMs: number,
): Promise<void> {
  // By itself: rows of runs are locked before those of limits.
  const { rows: marked } = await store.pool.query<{ namespaceId: string; name: string }>(
    `UPDATE task_runs_open r SET turn = ${FIRST_TURN} FROM queues q
     WHERE r.id = $1 AND r.claim_no = $2 AND r.state = 'running'
       AND q.namespace_id = r.namespace_id AND q.name = coalesce(r.queue, '${DEFAULT_QUEUE}')
       AND ${queueKeySql("q.namespace_id", "q.name")} = ANY(r.permits)
       AND q.limits ->> 'restOn429' = 'true'
     RETURNING q.namespace_id AS "namespaceId", q.name`,
    [id, claimNo],
  );
  const [queue] = marked;
  if (!queue) return;
  const { namespaceId, name } = queue;
  const isResting = await inTransaction(store.pool, async ({ pool, db }) => {
    const { rows } = await pool.query<QueueRow>(
      `UPDATE queues q SET paused_until = n.until, updated_at = now()
       FROM (SELECT clock_timestamp() + $3::float8 * interval '1 millisecond' AS until) AS n
       WHERE q.namespace_id = $1 AND q.name = $2
         AND q.limits ->> 'restOn429' = 'true'
         AND coalesce(q.paused_until <= clock_timestamp() OR q.paused_until < n.until - ${LEAST_REST}, true)
       RETURNING q.namespace_id AS "namespaceId", q.name, q.limits, q.paused_until AS "pausedUntil"`,
      [namespaceId, name, restMs],
    );
    for (const row of rows) await saveQueuePause(db, { ...row, limits: { ...NO_LIMITS, ...row.limits } });
    return rows.length > 0;
  });
  if (isResting) await revokePermits(store, queueKey(namespaceId, name));
}
