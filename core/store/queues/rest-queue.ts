/** A queue rests where the server that its runs call is overloaded; the run that found out is the first that tries again. */

import { placeOfQueueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS } from "../../domain/queue.ts";
import type { Store } from "../database.ts";
import { type QueueRow, saveQueuePause } from "../limits/queue-limits.ts";
import { revokePermits } from "../limits/revoke-permits.ts";
import { FIRST_TURN } from "../limits/turns.ts";
import type { ClaimedRun } from "../runs/claim.ts";
import { inTransaction } from "../transaction.ts";

/** A pause is not moved by less: every 429 of a burst of them would. */
const LEAST_REST = "interval '1 second'";

/**
 * Pauses the queue of a limit key for so long, if it rests on a 429 and is not paused for as long, or nearly. Before the
 * run ends that was answered so: its retry comes first in the line (rejoin-lines.ts).
 */
export async function restQueue(
  store: Store,
  { id, claimNo }: Pick<ClaimedRun, "id" | "claimNo">,
  key: string,
  restMs: number,
): Promise<void> {
  const place = placeOfQueueKey(key);
  // By itself: rows of runs are locked before those of limits.
  const { rowCount } = await store.pool.query(
    `UPDATE task_runs_open r SET turn = ${FIRST_TURN} FROM queues q
     WHERE r.id = $1 AND r.claim_no = $2 AND r.state = 'running'
       AND q.namespace_id = $3 AND q.name = $4 AND q.limits ->> 'restOn429' = 'true'`,
    [id, claimNo, ...place],
  );
  if (rowCount === 0) return;
  const isResting = await inTransaction(store.pool, async ({ pool, db }) => {
    const { rows } = await pool.query<QueueRow>(
      `UPDATE queues q SET paused_until = n.until, updated_at = now()
       FROM (SELECT clock_timestamp() + $3::float8 * interval '1 millisecond' AS until) AS n
       WHERE q.namespace_id = $1 AND q.name = $2
         AND q.limits ->> 'restOn429' = 'true'
         AND coalesce(q.paused_until <= clock_timestamp() OR q.paused_until < n.until - ${LEAST_REST}, true)
       RETURNING q.namespace_id AS "namespaceId", q.name, q.limits, q.paused_until AS "pausedUntil"`,
      [...place, restMs],
    );
    for (const row of rows) await saveQueuePause(db, { ...row, limits: { ...NO_LIMITS, ...row.limits } });
    return rows.length > 0;
  });
  if (isResting) await revokePermits(store, key);
}
