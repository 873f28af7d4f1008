/**
 * claimable → waiting, without a claim: runs of paused queues come into their lines. A worker would put them there; where
 * nothing else wants one there is none, and whoever looks for what is due would walk through all of them at each look.
 */
import { DEFAULT_QUEUE, queueKey, turnKeyOf } from "../../domain/limit-keys.ts";
import type { Store } from "../database.ts";
import { CLAIMABLE, CLAIMABLE_BY_ID, isDue, OLDEST_FIRST } from "../runs/claimable.ts";
import { inTransaction } from "../transaction.ts";
import { lockLimits } from "./limit-rows.ts";
import { LINE_UP } from "./line-up.ts";
import { SOME_KEYS } from "./permits.ts";

/** So many come into a line at once: claims and changes of the queue wait for that, some ten milliseconds. */
export const BITE = 200;

/** Of the runs that are due so many are looked at, the oldest ones: where the others stand before them there are workers. */
const MOST_LOOKED_AT = 10_000;

// Without a pause there is nothing to look at.
const FIND = `
  WITH due AS MATERIALIZED (
    SELECT r.id, r.available_at, r.namespace_id, coalesce(r.queue, '${DEFAULT_QUEUE}') AS queue FROM task_runs_open r
    WHERE ${CLAIMABLE} AND ${isDue()} AND r.waiting_key IS NULL
      AND EXISTS (SELECT FROM queues WHERE paused_until > statement_timestamp())
    ORDER BY ${OLDEST_FIRST} LIMIT $2
  )
  SELECT q.namespace_id AS "namespaceId", q.name, array_agg(d.id ORDER BY d.available_at) AS "runIds" FROM queues q
    JOIN (SELECT * FROM due) AS d ON d.namespace_id = q.namespace_id AND d.queue = q.name
  WHERE q.paused_until > statement_timestamp()
  GROUP BY q.namespace_id, q.name LIMIT $1`;

const LOCK_RUNS = {
  name: "lock-paused-runs",
  text: `SELECT r.id, ${SOME_KEYS} AS keys FROM task_runs_open r
    WHERE id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} AND r.waiting_key IS NULL AND $2 = ANY(${SOME_KEYS})
    ORDER BY id FOR UPDATE SKIP LOCKED`,
};

interface PausedQueue {
  namespaceId: string;
  name: string;
  runIds: string[];
}

/** Of so many queues at most; how many runs came into lines. */
export async function lineUpPaused(store: Pick<Store, "pool">, queues: number): Promise<number> {
  const { rows } = await store.pool.query<PausedQueue>(FIND, [queues, MOST_LOOKED_AT]);
  let all = 0;
  for (const { namespaceId, name, runIds } of rows) {
    const key = queueKey(namespaceId, name);
    for (let at = 0; at < runIds.length; at += BITE) {
      const came = await lineUp(store, key, runIds.slice(at, at + BITE));
      // It is paused no longer.
      if (came === undefined) break;
      all += came;
    }
  }
  return all;
}

async function lineUp(
  { pool }: Pick<Store, "pool">,
  key: string,
  runIds: string[],
): Promise<number | undefined> {
  return await inTransaction(pool, async (tx) => {
    const { rows } = await tx.pool.query<{ id: string; keys: string[] }>({
      ...LOCK_RUNS,
      values: [runIds, key],
    });
    if (rows.length === 0) return 0;
    const [limit] = await lockLimits(tx, [key]);
    if (!limit?.isPaused) return undefined;
    const coming = rows.map(({ id, keys }) => ({ id, turn_key: turnKeyOf(keys, key) }));
    await tx.pool.query({ ...LINE_UP, values: [JSON.stringify(coming), key] });
    return rows.length;
  });
}
