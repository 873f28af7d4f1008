/**
 * claimable → waiting: runs that no claim has looked at come into the line of their queue. To be called before permits are
 * granted to that line at once, as when a pause ends: else those in it would be given what is due to a run of a higher
 * priority that came last. One of no higher priority comes after them anyway.
 */
import { turnKeyOf } from "../../domain/limit-keys.ts";
import type { Store } from "../database.ts";
import { BEST_FIRST, CLAIMABLE_BY_ID, CLAIMABLE_BY_NAMESPACE, isDue } from "../runs/claimable.ts";
import { inTransaction } from "../transaction.ts";
import { lockLimits } from "./limit-rows.ts";
import { SOME_KEYS, WAITING } from "./permits.ts";
import { giveTurns } from "./turns.ts";

/** No more come at once: what is behind comes into the line when it is claimed. */
const BATCH = 1_000;

/** Of a namespace's due runs so many are looked at, the best ones: who grants permits for everybody waits for it. */
const MOST_LOOKED_AT = 10_000;

const COMES = `waiting_key IS NULL AND $2::text = ANY(${SOME_KEYS})`;

// A claim that just looks at one is waited for: it starts the run, or leaves it.
const LOCK_RUNS = {
  name: "lock-runs-to-line-up",
  text: `
    WITH best AS MATERIALIZED (
      SELECT r.id, r.priority, r.available_at, ${COMES} AS comes FROM task_runs_open r
      WHERE namespace_id = $1 AND ${CLAIMABLE_BY_NAMESPACE} AND ${isDue()}
        AND priority > (SELECT r.priority FROM task_runs_open r WHERE ${WAITING} = $2 ORDER BY r.priority LIMIT 1)
      ORDER BY ${BEST_FIRST} LIMIT $3
    )
    SELECT r.id, ${SOME_KEYS} AS keys FROM task_runs_open r
    WHERE id = ANY(ARRAY(SELECT id FROM best WHERE comes ORDER BY ${BEST_FIRST} LIMIT ${BATCH}))
      AND ${CLAIMABLE_BY_ID} AND ${isDue()} AND ${COMES}
    ORDER BY id FOR UPDATE`,
};

export const LINE_UP = {
  name: "line-up-runs",
  text: `
    WITH coming AS MATERIALIZED (
      SELECT r.id, $2::text AS key, s.turn_key, r.priority, r.turn, r.available_at
      FROM json_to_recordset($1::json) AS s(id uuid, turn_key text) JOIN task_runs_open r ON r.id = s.id
    ), ${giveTurns("coming")}, held AS (
      UPDATE task_runs_open r SET waiting_for = 'concurrency', waiting_key = c.key, permits = NULL, room = 'awaited',
        turn = t.turn, turn_key = c.turn_key
      FROM coming c JOIN turns t ON t.id = c.id WHERE r.id = c.id
    )
    UPDATE run_limits SET has_waiting = true WHERE key = $2`,
};

/** Of the queue of this key in this namespace. */
export async function lineUpRuns(
  { pool }: Pick<Store, "pool">,
  namespaceId: string,
  key: string,
  mostLookedAt = MOST_LOOKED_AT,
): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const { rows } = await tx.pool.query<{ id: string; keys: string[] }>({
      ...LOCK_RUNS,
      values: [namespaceId, key, mostLookedAt],
    });
    if (rows.length === 0 || (await lockLimits(tx, [key])).length === 0) return;
    const coming = rows.map(({ id, keys }) => ({ id, turn_key: turnKeyOf(keys, key) }));
    await tx.pool.query({ ...LINE_UP, values: [JSON.stringify(coming), key] });
  });
}
